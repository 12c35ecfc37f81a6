// A subscriber with the crate rzmq; see the README beside this folder.
use rzmq::{socket::options, Context, SocketType, ZmqError};
use tokio::io::{AsyncBufReadExt, BufReader};

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
async fn main() -> Result<(), ZmqError> {
    let endpoint = std::env::args().nth(1).expect("an endpoint");
    let context = Context::new()?;
    let subscriber = context.socket(SocketType::Sub)?;
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
                    "subscribe" => subscriber.set_option_raw(options::SUBSCRIBE, text.as_bytes()).await?,
                    "cancel" => subscriber.set_option_raw(options::UNSUBSCRIBE, text.as_bytes()).await?,
                    "stop" => reading = false,
                    "go" => reading = true,
                    _ => break,
                }
            }
            received = subscriber.recv_multipart(), if reading => match received {
                Ok(message) => {
                    println!("message{}", message.iter().map(|f| describe(f.data().unwrap_or_default())).collect::<String>())
                }
                Err(error) => println!("error {error}"),
            }
        }
    }
    subscriber.close().await?;
    context.term().await?;
    Ok(())
}
