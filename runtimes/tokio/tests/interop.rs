//! The official JavaScript clients, and the rows of the official test suites, against our server.
//!
//! The tests are written for Node.js, in `tests/interop` of the repository, where a README says
//! what they cover. Here they get the example `interop_server`.

#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

#[path = "interop/client_files.rs"]
mod client_files;
#[cfg(feature = "compression")]
#[path = "interop/compression.rs"]
mod compression;
mod node;

use std::time::Duration;

use node::Suite;

const LIMIT: Duration = Duration::from_secs(600);

#[test]
fn official_clients_and_suites_pass() {
    let Some(suite) = Suite::prepare("interop", (20, 11)) else {
        return;
    };
    let server = node::example("interop_server");
    let server = server.to_str().expect("the path is UTF-8");
    // The suite reads a command line, split at spaces.
    assert!(
        !server.contains(' '),
        "{server}: build in a path without spaces"
    );
    suite.test(
        "official clients",
        "test",
        &[
            ("INTEROP_SERVER", server),
            ("INTEROP_DYNAMIC", "1"),
            ("INTEROP_RECOVERY", "1"),
        ],
        LIMIT,
    );
}
