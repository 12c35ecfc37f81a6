//! PUB of rzmq, lossless: a full subscriber makes `send_multipart` wait. By tokio, or by io_uring.
use bytes::Bytes;
use driven::{commands, tell, Command, Load};
use rzmq::socket::{LAST_ENDPOINT, XPUB_NODROP};
use rzmq::{Context, Msg, Socket, SocketType, ZmqError};

async fn send(publisher: &Socket, topic: Bytes, payload: Bytes) -> Result<(), ZmqError> {
    publisher.send_multipart(vec![Msg::from_bytes(topic), Msg::from_bytes(payload)]).await
}

async fn publish(load: Load) -> Result<(), ZmqError> {
    #[cfg(feature = "uring")]
    rzmq::uring::initialize_uring_backend(rzmq::uring::UringConfig {
        num_workers: load.threads,
        ..Default::default()
    })?;
    let context = Context::new()?;
    #[cfg(feature = "uring")]
    let context = context.with_io_uring_sessions(true);
    let publisher = context.socket(SocketType::Pub)?;
    publisher.set_option(XPUB_NODROP, 1i32).await?;
    publisher.bind("tcp://127.0.0.1:0").await?;
    let endpoint = publisher.get_option(LAST_ENDPOINT).await?;
    let endpoint = String::from_utf8_lossy(&endpoint);
    tell(endpoint.rsplit(':').next().expect("a port").trim_end_matches('\0'));
    let topics: Vec<Bytes> = load.topics();
    let payload = Bytes::from(load.payload);
    for command in commands() {
        match command {
            Command::Send(topic, payload) => send(&publisher, topic.into(), payload.into()).await?,
            Command::Publish(count) => {
                for topic in topics.iter().cycle().take(count) {
                    send(&publisher, topic.clone(), payload.clone()).await?;
                }
            }
        }
        tell("done");
    }
    std::process::exit(0) // its own end waits for what is queued
}

fn main() -> Result<(), ZmqError> {
    let load = Load::read();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(load.threads).enable_all();
    runtime.build().expect("a runtime").block_on(publish(load))
}
