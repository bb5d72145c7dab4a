//! What the fuzz targets call. `tests/fuzz_bodies.rs` of the project calls the same.

pub mod bodies;
