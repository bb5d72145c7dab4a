//! The inputs that all parsers are measured with; the project's own benchmarks use the same.

#[path = "../../../benches/support/inputs.rs"]
pub mod inputs;
