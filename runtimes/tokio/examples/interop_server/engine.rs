//! Mode `engine`: Engine.IO alone, every message is sent back.

use std::time::Duration;

use socketio_tokio::{
    Clock, Context, Driver, Error, Handler, Service, seed,
    socketio_proto::engine::{Config, Cors, Event, Server},
};

/// Sends messages back in the moment they come in, so that an echo is on its way when the request
/// that brought the message is answered: the tests count on that.
pub(crate) struct Echo;

impl Handler<Server> for Echo {
    fn on_event(&mut self, event: Event, context: &mut Context<'_, Server>) {
        if let Event::Message { session, message } = event {
            // It fails if the session is gone, which is told next.
            _ = context.machine.send(context.now, session, message);
        }
    }
}

pub(crate) fn server() -> Result<Service<Server, Echo>, Error> {
    let config = Config::builder()
        .ping_interval(Duration::from_millis(300))
        .ping_timeout(Duration::from_millis(200))
        .max_payload(1_000_000)
        .cors(Cors::any())
        .build()?;
    let server = Server::new(config, seed()?);
    Ok(Service::new(Driver::new(server, Echo, Clock::start())))
}
