// A subscriber with the crate omq-tokio; see the README beside this folder.
use omq_tokio::{
    CurveKeypair, CurvePublicKey, CurveSecretKey, Error, MonitorEvent, MonitorStream, Options,
    Socket, SocketType,
};
use std::collections::HashMap;
use std::time::Duration;
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

fn options() -> Result<Options, Error> {
    let words: HashMap<String, String> = std::env::args()
        .skip(2)
        .filter_map(|word| word.split_once('=').map(|(name, value)| (name.into(), value.into())))
        .collect();
    let mut options = Options::default();
    if let Some(user) = words.get("plain_user") {
        options = options.plain_client(user, &words["plain_password"]);
    }
    if let Some(server) = words.get("curve_server") {
        let ours = CurveKeypair {
            public: CurvePublicKey::from_z85(&words["curve_public"])?,
            secret: CurveSecretKey::from_z85(&words["curve_secret"])?,
        };
        options = options.curve_client(ours, CurvePublicKey::from_z85(server)?);
    }
    if let Some(every) = words.get("heartbeats") {
        let every: u64 = every.parse().expect("milliseconds");
        options = options.heartbeat_interval(Duration::from_millis(every));
    }
    Ok(options)
}

async fn watch(mut monitor: MonitorStream) {
    while let Ok(event) = monitor.recv().await {
        let name = match event {
            MonitorEvent::Connected { .. } => "connected",
            MonitorEvent::HandshakeSucceeded { .. } => "handshake_succeeded",
            MonitorEvent::HandshakeFailed { .. } => "handshake_failed",
            MonitorEvent::ConnectStopped { .. } => "connect_stopped",
            MonitorEvent::Disconnected { .. } => "disconnected",
            _ => continue,
        };
        println!("event {name}");
    }
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let endpoint = std::env::args().nth(1).expect("an endpoint");
    let subscriber = Socket::new(SocketType::Sub, options()?);
    tokio::spawn(watch(subscriber.monitor()));
    subscriber.connect(endpoint.as_str()).await?;
    println!("ready");
    let mut commands = BufReader::new(tokio::io::stdin()).lines();
    let mut reading = true;
    loop {
        tokio::select! {
            line = commands.next_line() => {
                let line = line.ok().flatten().unwrap_or_default();
                let (verb, text) = line.split_once(' ').unwrap_or((&line, ""));
                match verb {
                    "subscribe" => subscriber.subscribe(text.to_owned()).await?,
                    "cancel" => subscriber.unsubscribe(text.to_owned()).await?,
                    "stop" => reading = false,
                    "go" => reading = true,
                    _ => break,
                }
            }
            received = subscriber.recv(), if reading => match received {
                Ok(message) => println!("message{}", message.iter().map(|frame| describe(&frame)).collect::<String>()),
                Err(error) => println!("error {error}"),
            }
        }
    }
    subscriber.close().await
}
