//! PUB of zmq.rs (the crate zeromq), which has no lossless mode: who is 100,000 messages behind loses some.
use bytes::Bytes;
use driven::{commands, tell, Command, Load};
use zeromq::{Endpoint, PubSocket, Socket, SocketSend, ZmqMessage, ZmqResult};

async fn send(publisher: &mut PubSocket, topic: Bytes, payload: Bytes) -> ZmqResult<()> {
    let mut message = ZmqMessage::from(topic);
    message.push_back(payload);
    publisher.send(message).await
}

async fn publish(load: Load) -> ZmqResult<()> {
    let mut publisher = PubSocket::new();
    match publisher.bind("tcp://127.0.0.1:0").await? {
        Endpoint::Tcp(_, port) => tell(port),
        other => panic!("not by TCP: {other}"),
    }
    let topics: Vec<Bytes> = load.topics();
    let payload = Bytes::from(load.payload);
    for command in commands() {
        match command {
            Command::Send(topic, payload) => send(&mut publisher, topic.into(), payload.into()).await?,
            Command::Publish(count) => {
                for topic in topics.iter().cycle().take(count) {
                    send(&mut publisher, topic.clone(), payload.clone()).await?;
                }
            }
        }
        tell("done");
    }
    std::process::exit(0)
}

fn main() -> ZmqResult<()> {
    let load = Load::read();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(load.threads).enable_all();
    runtime.build().expect("a runtime").block_on(publish(load))
}
