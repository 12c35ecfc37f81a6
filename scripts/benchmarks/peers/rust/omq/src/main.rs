//! PUB of omq-tokio, lossless: a full subscriber makes `send` wait.
use bytes::Bytes;
use driven::{commands, tell, Command, Load};
use omq_tokio::{Context, ContextConfig, Endpoint, Message, Options, SocketType};

fn main() {
    let load = Load::read();
    let context = Context::with_config(ContextConfig { io_threads: load.threads });
    let mut options = Options::default().max_pending_handshakes(load.subscribers);
    options.xpub_nodrop = true;
    let publisher = context.blocking_socket(SocketType::Pub, options);
    match publisher.bind("tcp://127.0.0.1:0").expect("a free port") {
        Endpoint::Tcp { port, .. } => tell(port),
        other => panic!("not by TCP: {other}"),
    }
    let topics: Vec<Bytes> = load.topics();
    let payload = Bytes::from(load.payload);
    let send = |topic: Bytes, payload: Bytes| {
        publisher.send(Message::multipart([topic, payload])).expect("sent");
    };
    for command in commands() {
        match command {
            Command::Send(topic, payload) => send(topic.into(), payload.into()),
            Command::Publish(count) => {
                for topic in topics.iter().cycle().take(count) {
                    send(topic.clone(), payload.clone());
                }
            }
        }
        tell("done");
    }
}
