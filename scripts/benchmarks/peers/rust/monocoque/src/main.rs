//! PUB of monocoque-rs on io_uring. Without a bound on its queues, for at one it loses messages instead of waiting.
use bytes::Bytes;
use driven::{commands, tell, Command, Load};
use monocoque::{rt::LocalRuntime, zmq::PubSocket, SocketOptions};
use std::io;

const UNBOUNDED: usize = usize::MAX / 2;

async fn publish(load: Load) -> io::Result<()> {
    let options = SocketOptions::default().with_send_hwm(UNBOUNDED);
    let mut publisher = PubSocket::bind_with_workers_opts("127.0.0.1:0", load.threads, options).await?;
    tell(publisher.local_addr()?.port());
    let topics: Vec<Bytes> = load.topics();
    let payload = Bytes::from(load.payload);
    for _ in 0..load.subscribers {
        publisher.accept_subscriber().await?; // one after the other: nobody is served meanwhile
    }
    for command in commands() {
        match command {
            Command::Send(topic, payload) => {
                publisher.send_frames(&[topic.into(), payload.into()]).await?;
            }
            Command::Publish(count) => {
                for topic in topics.iter().cycle().take(count) {
                    publisher.send_frames(&[topic.clone(), payload.clone()]).await?;
                }
            }
        }
        tell("done");
    }
    std::process::exit(0)
}

fn main() -> io::Result<()> {
    let load = Load::read();
    LocalRuntime::new()?.block_on(publish(load))
}
