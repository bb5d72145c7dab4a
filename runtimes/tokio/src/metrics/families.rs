//! What is told, by name; and how it is written.

use std::fmt::{self, Write as _};

use socketio_proto::{engine, socket};

use super::Health;

/// Samples of one name: the `metric family` of the format.
pub(crate) struct Family {
    name: &'static str,
    kind: Kind,
    help: &'static str,
    /// What tells its samples apart; empty if there is only one.
    label: &'static str,
    /// The values of the label, or an empty one, each with a number.
    samples: Vec<(&'static str, u64)>,
}

/// How a number changes.
#[derive(Clone, Copy)]
enum Kind {
    /// It only grows, from zero at the start of the server.
    Counter,
    /// It is what it is now.
    Gauge,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }
}

impl fmt::Display for Family {
    /// Writes the lines of a family. No name, help or label has a character that must be escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name, help, label, ..
        } = self;
        writeln!(f, "# HELP {name} {help}")?;
        writeln!(f, "# TYPE {name} {}", self.kind.as_str())?;
        for (value, number) in &self.samples {
            if label.is_empty() {
                writeln!(f, "{name} {number}")?;
            } else {
                writeln!(f, "{name}{{{label}=\"{value}\"}} {number}")?;
            }
        }
        Ok(())
    }
}

/// Writes families as text.
pub(super) fn text(families: &[Family]) -> String {
    let mut text = String::with_capacity(128 * families.len());
    for family in families {
        // A string takes all.
        _ = write!(text, "{family}");
    }
    text
}

const fn wide(number: usize) -> u64 {
    number as u64
}

fn counter(name: &'static str, help: &'static str, value: u64) -> Family {
    counters(name, help, "", [("", value)])
}

fn counters<const N: usize>(
    name: &'static str,
    help: &'static str,
    label: &'static str,
    samples: [(&'static str, u64); N],
) -> Family {
    Family {
        name,
        kind: Kind::Counter,
        help,
        label,
        samples: samples.into(),
    }
}

fn gauge(name: &'static str, help: &'static str, value: usize) -> Family {
    gauges(name, help, "", [("", value)])
}

fn gauges<const N: usize>(
    name: &'static str,
    help: &'static str,
    label: &'static str,
    samples: [(&'static str, usize); N],
) -> Family {
    Family {
        name,
        kind: Kind::Gauge,
        help,
        label,
        samples: samples.map(|(label, value)| (label, wide(value))).into(),
    }
}

/// Whether a server lets clients in.
pub(super) fn of_health(health: Health) -> Family {
    gauge(
        "engineio_serving",
        "1 while new sessions are let in, 0 while the server closes and afterwards.",
        usize::from(health.is_serving()),
    )
}

/// What is known of sessions and requests.
pub(super) fn of_engine(it: &engine::Statistics) -> Vec<Family> {
    let mut families = of_sessions(it);
    families.extend(of_traffic(it));
    families.extend(of_losses(it));
    families
}

fn of_sessions(it: &engine::Statistics) -> Vec<Family> {
    let closed = &it.closed;
    vec![
        gauges(
            "engineio_sessions",
            "Sessions that are open.",
            "transport",
            [
                ("polling", it.polling_sessions),
                ("websocket", it.websocket_sessions),
            ],
        ),
        gauge(
            "engineio_requests",
            "Requests that are under way, polls that wait included.",
            it.requests,
        ),
        gauge(
            "engineio_transports",
            "WebSockets that are open or opening, those of upgrades included.",
            it.transports,
        ),
        gauge(
            "engineio_pending_handshakes",
            "Handshakes that wait for the application to decide.",
            it.handshakes,
        ),
        gauge(
            "engineio_delayed_sessions",
            "Sessions that are not read because of their rates.",
            it.delayed_sessions,
        ),
        gauge(
            "engineio_body_bytes",
            "Bytes of request bodies that are being read.",
            it.body_bytes,
        ),
        gauge(
            "engineio_queued_bytes",
            "Bytes that wait for all clients, 64 added for each packet.",
            it.queued_bytes,
        ),
        counter(
            "engineio_sessions_opened_total",
            "Sessions that have opened.",
            it.opened,
        ),
        counters(
            "engineio_sessions_closed_total",
            "Sessions that have closed, by reason.",
            "reason",
            [
                ("forced_close", closed.forced_close),
                ("parse_error", closed.parse_error),
                ("ping_timeout", closed.ping_timeout),
                ("queue_full", closed.queue_full),
                ("rate_exceeded", closed.rate_exceeded),
                ("server_shutdown", closed.server_shutdown),
                ("transport_close", closed.transport_close),
                ("transport_error", closed.transport_error),
                ("unread", closed.unread),
            ],
        ),
    ]
}

fn of_traffic(it: &engine::Statistics) -> Vec<Family> {
    vec![
        counter(
            "engineio_received_packets_total",
            "Packets that have come from clients.",
            it.received_packets,
        ),
        counter(
            "engineio_received_bytes_total",
            "Bytes of messages and bodies that have come from clients.",
            it.received_bytes,
        ),
        counter(
            "engineio_sent_packets_total",
            "Packets that were handed over to be written.",
            it.sent_packets,
        ),
        counter(
            "engineio_sent_bytes_total",
            "Bytes of messages and bodies that were handed over to be written, uncompressed.",
            it.sent_bytes,
        ),
        counter(
            "engineio_upgrades_begun_total",
            "Upgrades whose WebSocket was accepted.",
            it.upgrades_begun,
        ),
        counters(
            "engineio_upgrades_total",
            "Upgrades that have ended, by outcome.",
            "outcome",
            [
                ("completed", it.upgrades_completed),
                ("failed", it.upgrades_failed),
            ],
        ),
    ]
}

fn of_losses(it: &engine::Statistics) -> Vec<Family> {
    let refused = &it.refused;
    let dropped = [
        ("volatile", it.dropped_volatile),
        ("overflow", it.dropped_overflow),
        ("full", it.dropped_full),
        ("closed", it.dropped_closed),
    ];
    vec![
        counters(
            "engineio_requests_refused_total",
            "Requests that were refused, by reason.",
            "reason",
            [
                ("bad_handshake_method", refused.bad_handshake_method),
                ("bad_request", refused.bad_request),
                ("bodies", refused.bodies),
                ("connects", refused.connects),
                ("foreign_origin", refused.foreign_origin),
                ("forbidden", refused.forbidden),
                ("handshakes", refused.handshakes),
                ("sessions", refused.sessions),
                ("shutting_down", refused.shutting_down),
                ("too_large", refused.too_large),
                ("undecided", refused.undecided),
                ("unknown_session", refused.unknown_session),
                ("unknown_transport", refused.unknown_transport),
                ("unsupported_revision", refused.unsupported_revision),
            ],
        ),
        counter(
            "engineio_session_delays_total",
            "How often a session was not read for a while because of its rates.",
            it.delays,
        ),
        counters(
            "engineio_dropped_packets_total",
            "Packets for clients that were dropped, by cause.",
            "cause",
            dropped.map(|(cause, dropped)| (cause, dropped.packets)),
        ),
        counters(
            "engineio_dropped_bytes_total",
            "Bytes of packets for clients that were dropped, by cause.",
            "cause",
            dropped.map(|(cause, dropped)| (cause, dropped.bytes)),
        ),
        counter(
            "engineio_stale_inputs_total",
            "Inputs that named a request or transport which had ended; harmless.",
            it.stale_inputs,
        ),
    ]
}

/// What is known of sockets and namespaces, and of clients that may come back.
pub(super) fn of_socket(it: &socket::Statistics) -> Vec<Family> {
    let mut families = of_sockets(it);
    families.extend(of_recovery(&it.recovery));
    families
}

fn of_sockets(it: &socket::Statistics) -> Vec<Family> {
    let done = &it.counters;
    vec![
        gauge(
            "socketio_sockets",
            "Sockets that are connected.",
            it.sockets,
        ),
        gauge(
            "socketio_pending_connects",
            "Clients that wait to be let into a namespace.",
            it.pending,
        ),
        gauges(
            "socketio_namespaces",
            "Namespaces that there are.",
            "kind",
            [
                ("static", it.static_namespaces),
                ("dynamic", it.dynamic_namespaces),
            ],
        ),
        gauge(
            "socketio_rooms",
            "Rooms that there are, without those named after their sockets.",
            it.rooms,
        ),
        gauge(
            "socketio_pending_acks",
            "Answers, and sets of answers, that are waited for.",
            it.acks,
        ),
        counters(
            "socketio_connects_total",
            "Clients that have asked to be let into a namespace, by outcome.",
            "outcome",
            [
                ("accepted", done.accepted),
                ("refused", done.refused),
                ("withdrawn", done.withdrawn),
            ],
        ),
        counter(
            "socketio_disconnects_total",
            "Sockets that are gone.",
            done.disconnected,
        ),
        counter(
            "socketio_received_events_total",
            "Events that have come from clients.",
            done.events,
        ),
        counter(
            "socketio_received_acks_total",
            "Answers that have come from clients and were waited for.",
            done.acks,
        ),
        counter(
            "socketio_emits_total",
            "Events that were sent, each counted once however many sockets it went to.",
            done.emits,
        ),
        counters(
            "socketio_deliveries_total",
            "Events that were sent, counted for each socket, by outcome.",
            "outcome",
            [("queued", done.queued), ("dropped", done.dropped)],
        ),
    ]
}

fn of_recovery(it: &socket::RecoveryStatistics) -> Vec<Family> {
    vec![
        gauge(
            "socketio_recovery_sessions",
            "Clients that are away and may come back.",
            it.sessions,
        ),
        gauge(
            "socketio_recovery_events",
            "Events that are kept for clients that may come back.",
            it.events,
        ),
        gauge(
            "socketio_recovery_bytes",
            "Bytes that sessions and events take which are kept.",
            it.bytes,
        ),
        counter(
            "socketio_recovery_lost_total",
            "Clients that were lost and might come back.",
            it.lost,
        ),
        counters(
            "socketio_recovery_attempts_total",
            "Clients that have come back, by outcome.",
            "outcome",
            [("restored", it.restored), ("failed", it.failed)],
        ),
        counters(
            "socketio_recovery_cut_total",
            "What went before its age because of a limit, by kind.",
            "kind",
            [("events", it.cut_events), ("sessions", it.cut_sessions)],
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many numbers statistics hold.
    fn numbers(statistics: &impl fmt::Debug) -> usize {
        format!("{statistics:?}").matches(": 0").count()
    }

    fn samples(families: &[Family]) -> usize {
        families.iter().map(|family| family.samples.len()).sum()
    }

    #[test]
    fn every_number_that_is_counted_is_told() {
        let engine = engine::Statistics::default();
        assert_eq!(samples(&of_engine(&engine)), numbers(&engine));
        let socket = socket::Statistics::default();
        assert_eq!(samples(&of_socket(&socket)), numbers(&socket));
    }
}
