//! How a publisher under test is driven: see the README beside this folder.
use std::io::{stdin, BufRead, Write};
use std::{env, iter};

/// What is published, and by how many threads.
pub struct Load {
    pub subscribers: usize,
    pub payload: Vec<u8>,
    pub threads: usize,
    topics: Vec<Vec<u8>>,
}

impl Load {
    /// From the command line, and the first line of the input.
    pub fn read() -> Load {
        let mut numbers = env::args().skip(1).map(|word| word.parse().expect("a number"));
        let mut next = || numbers.next().expect("SUBSCRIBERS PAYLOAD_BYTES THREADS");
        let (subscribers, payload_bytes, threads) = (next(), next(), next());
        let topics = line().expect("a line with the topics");
        Load {
            subscribers,
            payload: vec![b'x'; payload_bytes],
            threads,
            topics: topics.split_ascii_whitespace().map(|topic| topic.as_bytes().to_vec()).collect(),
        }
    }

    /// The topics, each as the engine has its frames.
    pub fn topics<Frame: From<Vec<u8>>>(&self) -> Vec<Frame> {
        self.topics.iter().cloned().map(Frame::from).collect()
    }
}

pub enum Command {
    Send(Vec<u8>, Vec<u8>),
    Publish(usize),
}

/// What the adapter asks for, until it closes its end; after each `done` is printed.
pub fn commands() -> impl Iterator<Item = Command> {
    iter::from_fn(line).map(|line| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        match words[..] {
            ["send", topic, payload] => Command::Send(topic.into(), payload.into()),
            ["publish", count] => Command::Publish(count.parse().expect("a number of messages")),
            _ => panic!("no command: {line:?}"),
        }
    })
}

/// Prints one line at once: the port on which it listens, or `done`.
pub fn tell(text: impl std::fmt::Display) {
    let mut output = std::io::stdout();
    writeln!(output, "{text}").and_then(|()| output.flush()).expect("somebody who reads");
}

fn line() -> Option<String> {
    let mut line = String::new();
    let bytes = stdin().lock().read_line(&mut line).expect("an input in UTF-8");
    (bytes > 0).then_some(line)
}
