// A subscriber with the crate rzmq; see the README beside this folder.
use rzmq::{
    socket::{options, MonitorReceiver, SocketEvent},
    Context, SocketType, ZmqError,
};
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

fn z85(text: &str) -> Vec<u8> {
    let alphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
    let digits: Vec<u32> = text.chars().map(|c| alphabet.find(c).unwrap_or_default() as u32).collect();
    digits.chunks(5).flat_map(|five| five.iter().fold(0u32, |sum, d| sum.wrapping_mul(85).wrapping_add(*d)).to_be_bytes()).collect()
}

async fn secure(subscriber: &rzmq::Socket, word: &str) -> Result<(), ZmqError> {
    let (name, value) = word.split_once('=').unwrap_or((word, ""));
    match name {
        "plain_user" => subscriber.set_option_raw(options::PLAIN_USERNAME, value.as_bytes()).await,
        "plain_password" => subscriber.set_option_raw(options::PLAIN_PASSWORD, value.as_bytes()).await,
        "curve_server" => subscriber.set_option_raw(options::CURVE_SERVER_KEY, &z85(value)).await,
        "curve_public" => subscriber.set_option_raw(options::CURVE_PUBLIC_KEY, &z85(value)).await,
        "curve_secret" => subscriber.set_option_raw(options::CURVE_SECRET_KEY, &z85(value)).await,
        "heartbeats" => {
            let every: i32 = value.parse().expect("milliseconds");
            subscriber.set_option_raw(options::HEARTBEAT_IVL, &every.to_ne_bytes()).await
        }
        _ => panic!("what is {word}?"),
    }
}

async fn watch(monitor: MonitorReceiver) {
    while let Ok(event) = monitor.recv().await {
        let name = match event {
            SocketEvent::Connected { .. } => "connected",
            SocketEvent::HandshakeSucceeded { .. } => "handshake_succeeded",
            SocketEvent::HandshakeFailed { .. } => "handshake_failed",
            SocketEvent::ConnectFailed { .. } => "connect_failed",
            SocketEvent::Disconnected { .. } => "disconnected",
            _ => continue,
        };
        println!("event {name}");
    }
}

#[tokio::main]
async fn main() -> Result<(), ZmqError> {
    let endpoint = std::env::args().nth(1).expect("an endpoint");
    let context = Context::new()?;
    let subscriber = context.socket(SocketType::Sub)?;
    let words: Vec<String> = std::env::args().skip(2).collect();
    // It has PING and PONG past its boxes, in clear, which ends a connection of CURVE: has none then.
    let boxed = words.iter().any(|word| word.starts_with("curve_"));
    for word in words.iter().filter(|word| !(boxed && word.starts_with("heartbeats="))) {
        secure(&subscriber, word).await?;
    }
    tokio::spawn(watch(subscriber.monitor(64).await?));
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
