// A subscriber with the crate zeromq; see the README beside this folder.
use tokio::io::{AsyncBufReadExt, BufReader};
use zeromq::{Socket, SocketRecv, SubSocket, ZmqResult};

fn describe(frame: &[u8]) -> String {
    let (mut a, mut b) = (1u32, 0u32);
    for byte in frame {
        a = (a + u32::from(*byte)) % 65521;
        b = (b + a) % 65521;
    }
    let head: String = frame.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!(" {}:{:x}:{}", frame.len(), (b << 16) | a, head)
}

#[tokio::main]
async fn main() -> ZmqResult<()> {
    let endpoint = std::env::args().nth(1).expect("an endpoint");
    let mut subscriber = SubSocket::new();
    subscriber.connect(&endpoint).await?;
    println!("ready");
    let mut commands = BufReader::new(tokio::io::stdin()).lines();
    let mut reading = true;
    loop {
        tokio::select! {
            line = commands.next_line() => {
                let line = line.ok().flatten().unwrap_or_default();
                let (verb, text) = line.split_once(' ').unwrap_or((&line, ""));
                match verb {
                    "subscribe" => subscriber.subscribe(text).await?,
                    "cancel" => subscriber.unsubscribe(text).await?,
                    "stop" => reading = false,
                    "go" => reading = true,
                    _ => break,
                }
            }
            received = subscriber.recv(), if reading => match received {
                Ok(message) => {
                    println!("message{}", message.iter().map(|f| describe(f)).collect::<String>())
                }
                Err(error) => println!("error {error}"),
            }
        }
    }
    subscriber.close().await;
    Ok(())
}
