//! The same search on the Socket.IO server.
//!
//! The invariants are its promises: a pending CONNECT ends in exactly one of accepted, refused and
//! withdrawn; every ack settles once; packets come in order, none twice and none lost; nothing
//! follows a disconnection; every state has a deadline; nothing is left behind. What has to come is
//! predicted after every input, to the last packet. Each state is left in three ways: by silence, by
//! everybody doing what is due, and by the same inputs again with outputs that are taken late and a
//! time that only the next input tells.

mod bench;
mod endings;
mod model;
mod world;

use bench::Settings;
use model::{Budget, Orders, Scene};

use crate::try_all;

fn try_scenes(name: &str, settings: Settings, scenes: &[Scene], small: Budget, large: Budget) {
    let orders = |budget| {
        let scenes = scenes.iter();
        scenes.map(move |&scene| {
            let orders = Orders {
                settings,
                scene,
                budget,
            };
            (format!("{scene:?}"), orders)
        })
    };
    try_all(name, orders(small), orders(large));
}

const STATIC: Settings = Settings {
    is_dynamic: false,
    has_recovery: false,
};
const DYNAMIC: Settings = Settings {
    is_dynamic: true,
    ..STATIC
};
const RECOVERY: Settings = Settings {
    has_recovery: true,
    ..STATIC
};
const BOTH: Settings = Settings {
    has_recovery: true,
    ..DYNAMIC
};

#[test]
fn connects_are_accepted_refused_and_withdrawn_in_any_order() {
    let small = Budget {
        connects: 2,
        leaves: 1,
        says: 1,
        bad: 1,
        loses: 1,
        waits: 1,
        ..Budget::default()
    };
    let large = Budget {
        connects: 4,
        leaves: 2,
        bad: 2,
        opens: 1,
        waits: 3,
        closes: 1,
        stale: 1,
        is_crossing: true,
        ..small
    };
    try_scenes("admission", STATIC, &[Scene::Stranger], small, large);
}

#[test]
fn decisions_that_cross_the_clients_packets_in_any_order() {
    let small = Budget {
        connects: 1,
        leaves: 1,
        says: 1,
        kicks: 1,
        is_crossing: true,
        ..Budget::default()
    };
    let large = Budget {
        connects: 3,
        leaves: 2,
        emits: 1,
        closes: 1,
        waits: 2,
        stale: 1,
        loses: 1,
        ..small
    };
    try_scenes("decisions", STATIC, &[Scene::Pending], small, large);
}

#[test]
fn acknowledgements_both_ways_in_any_order() {
    let small = Budget {
        questions: 1,
        asks: 1,
        leaves: 1,
        kicks: 1,
        cancels: 1,
        bad: 1,
        waits: 1,
        ..Budget::default()
    };
    let large = Budget {
        questions: 2,
        polls: 1,
        waits: 3,
        loses: 1,
        connects: 1,
        stale: 1,
        is_crossing: true,
        ..small
    };
    try_scenes("acks", STATIC, &[Scene::Joined], small, large);
}

#[test]
fn acknowledgements_of_broadcasts_in_any_order() {
    let small = Budget {
        polls: 1,
        leaves: 1,
        kicks: 1,
        loses: 1,
        waits: 1,
        ..Budget::default()
    };
    let large = Budget {
        polls: 3,
        questions: 1,
        cancels: 1,
        waits: 3,
        kicks: 2,
        connects: 1,
        is_crossing: true,
        ..small
    };
    try_scenes("broadcast acks", STATIC, &[Scene::Two], small, large);
}

#[test]
fn disconnections_by_the_server_that_cross_the_clients_packets_in_any_order() {
    let small = Budget {
        kicks: 1,
        closes: 1,
        says: 2,
        leaves: 1,
        connects: 1,
        is_crossing: true,
        ..Budget::default()
    };
    let large = Budget {
        kicks: 2,
        questions: 1,
        waits: 2,
        loses: 1,
        bad: 1,
        connects: 2,
        ..small
    };
    try_scenes("disconnections", STATIC, &[Scene::Both], small, large);
}

#[test]
fn events_to_a_slow_client_in_any_order() {
    let small = Budget {
        emits: 1,
        volatiles: 1,
        questions: 1,
        kicks: 1,
        is_slow: true,
        ..Budget::default()
    };
    let large = Budget {
        emits: 2,
        broadcasts: 1,
        closes: 1,
        says: 1,
        leaves: 1,
        loses: 1,
        connects: 1,
        waits: 3,
        is_crossing: true,
        ..small
    };
    try_scenes("slow", STATIC, &[Scene::Both], small, large);
}

/// The second namespace exists while somebody is in it.
#[test]
fn a_namespace_that_comes_and_goes_in_any_order() {
    let small = Budget {
        connects: 2,
        leaves: 1,
        kicks: 1,
        polls: 1,
        ..Budget::default()
    };
    let large = Budget {
        connects: 3,
        leaves: 2,
        kicks: 2,
        says: 2,
        questions: 1,
        bad: 1,
        loses: 1,
        waits: 3,
        stale: 1,
        is_crossing: true,
        ..small
    };
    try_scenes("dynamic", DYNAMIC, &[Scene::Both], small, large);
}

/// What was sent to a client before the server took it out, and what it sends then, until it has to
/// know.
#[test]
fn time_after_a_disconnection_by_the_server_in_any_order() {
    let small = Budget {
        kicks: 1,
        says: 2,
        leaves: 1,
        bad: 1,
        idles: 1,
        ..Budget::default()
    };
    let large = Budget {
        kicks: 2,
        connects: 2,
        bad: 2,
        idles: 2,
        waits: 1,
        is_crossing: true,
        ..small
    };
    try_scenes("time", STATIC, &[Scene::Both], small, large);
}

#[test]
fn a_client_that_comes_back_after_any_part_of_what_was_sent() {
    let small = Budget {
        opens: 1,
        returns: 1,
        loses: 1,
        emits: 2,
        idles: 1,
        is_crossing: true,
        ..Budget::default()
    };
    let large = Budget {
        opens: 2,
        returns: 2,
        loses: 2,
        emits: 3,
        broadcasts: 1,
        volatiles: 1,
        questions: 1,
        kicks: 1,
        leaves: 1,
        waits: 2,
        is_slow: true,
        ..small
    };
    try_scenes("recovery", RECOVERY, &[Scene::Joined], small, large);
}

/// A half-open connection, refusals, and a secret that two use.
#[test]
fn a_client_that_is_taken_over_refused_or_impersonated_in_any_order() {
    let small = Budget {
        opens: 1,
        returns: 2,
        broadcasts: 1,
        loses: 1,
        bad: 1,
        ..Budget::default()
    };
    let large = Budget {
        opens: 2,
        returns: 3,
        broadcasts: 2,
        loses: 2,
        bad: 3,
        kicks: 1,
        leaves: 1,
        waits: 2,
        closes: 1,
        is_crossing: true,
        ..small
    };
    try_scenes("take-over", RECOVERY, &[Scene::Two], small, large);
    let small = Budget {
        loses: 0,
        kicks: 1,
        ..small
    };
    // A ping is answered before, and nothing else happens.
    let quiet = Budget {
        opens: 1,
        returns: 1,
        broadcasts: 1,
        idles: 1,
        leaves: 1,
        bad: 1,
        ..Budget::default()
    };
    try_scenes("quiet", RECOVERY, &[Scene::Joined], quiet, large);
    try_scenes("take-over, dynamic", BOTH, &[Scene::Both], small, large);
}
