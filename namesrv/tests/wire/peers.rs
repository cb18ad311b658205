//! A name server on loopback and a client that speaks frames.
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use namesrv::config::NamesrvConfig;
use namesrv::{Running, start};
use net::{Codec, Header, Scratch};

/// A server with its directory; stopped and removed when dropped.
pub(crate) struct Server {
    running: Option<Running>,
    directory: PathBuf,
}

impl Server {
    /// A server with the default configuration but for what `change` does.
    pub(crate) fn start(name: &str, change: impl FnOnce(&mut NamesrvConfig)) -> Self {
        let directory = std::env::temp_dir().join(format!("ringmq-namesrv-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        Self::start_in(&directory, change)
    }

    /// A server on what another one left.
    pub(crate) fn start_in(directory: &Path, change: impl FnOnce(&mut NamesrvConfig)) -> Self {
        let mut config = NamesrvConfig {
            listen_address: [127, 0, 0, 1].into(),
            listen_port: 0,
            kv_file: directory.join("kv").join("kvConfig.json"),
            ..NamesrvConfig::default()
        };
        change(&mut config);
        let running = Some(start(config, None).unwrap());
        Self { running, directory: directory.to_owned() }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.running.as_ref().unwrap().address()
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.address())
    }

    /// Stops it and leaves its directory.
    pub(crate) fn stop(mut self) -> PathBuf {
        let running = self.running.take().unwrap();
        running.stop();
        running.join().unwrap();
        std::mem::take(&mut self.directory)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop();
            let _ = running.join();
        }
        if !self.directory.as_os_str().is_empty() {
            let _ = std::fs::remove_dir_all(&self.directory);
        }
    }
}

pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    opaque: i32,
}

/// A decoded answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) codec: Codec,
    pub(crate) code: i32,
    pub(crate) opaque: i32,
    pub(crate) remark: Option<String>,
    pub(crate) ext: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(to: SocketAddr) -> Self {
        let stream = TcpStream::connect(to).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, opaque: 0 }
    }

    /// Asks with a JSON header made of a code and ext fields.
    pub(crate) fn ask(&mut self, code: i32, ext: &[(&str, &str)], body: &[u8]) -> Answer {
        self.opaque += 1;
        let fields: serde_json::Map<String, serde_json::Value> =
            ext.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect();
        let header = serde_json::json!({
            "code": code, "extFields": fields, "flag": 0, "language": "JAVA", "opaque": self.opaque, "version": 515,
        });
        let answer = self.ask_raw(header.to_string().as_bytes(), body);
        assert_eq!(answer.opaque, self.opaque);
        answer
    }

    /// Asks with this JSON header.
    pub(crate) fn ask_raw(&mut self, header: &[u8], body: &[u8]) -> Answer {
        self.send(Codec::Json, header, body);
        self.receive().expect("an answer")
    }

    pub(crate) fn send(&mut self, codec: Codec, header: &[u8], body: &[u8]) {
        let mut bytes = Vec::new();
        net::frame::encode(&mut bytes, &net::Frame { codec, header, body });
        self.stream.write_all(&bytes).unwrap();
    }

    /// The next answer; `None` if the server closed the connection.
    pub(crate) fn receive(&mut self) -> Option<Answer> {
        let mut prefix = [0; 8];
        if let Err(error) = self.stream.read_exact(&mut prefix) {
            assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "no answer in 20 s");
            return None;
        }
        let [total, word] =
            [0, 4].map(|at| u32::from_be_bytes(prefix[at..at + 4].try_into().unwrap()) as usize);
        let mut rest = vec![0; total - 4];
        self.stream.read_exact(&mut rest).unwrap();
        let (header, body) = rest.split_at(word & 0xFF_FFFF);
        let codec = if word >> 24 == 0 { Codec::Json } else { Codec::Binary };
        let mut scratch = Scratch::default();
        let header = Header::decode(codec, header, &mut scratch).unwrap();
        assert!(header.is_response());
        Some(Answer {
            codec,
            code: header.code,
            opaque: header.opaque,
            remark: header.remark.map(str::to_owned),
            ext: header.ext.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            body: body.to_vec(),
        })
    }
}

/// Body of a registration with these topics (`name`, queues, perm).
pub(crate) fn registration(topics: &[(&str, i32, i32)], counter: i64) -> Vec<u8> {
    let table: serde_json::Map<String, serde_json::Value> = topics
        .iter()
        .map(|(name, queues, perm)| {
            let topic = serde_json::json!({
                "topicName": name, "readQueueNums": queues, "writeQueueNums": queues, "perm": perm,
                "topicFilterType": "SINGLE_TAG", "topicSysFlag": 0, "order": false, "attributes": {},
            });
            ((*name).to_owned(), topic)
        })
        .collect();
    serde_json::json!({
        "filterServerList": [],
        "topicConfigSerializeWrapper": {
            "dataVersion": { "counter": counter, "stateVersion": 0, "timestamp": 1 },
            "topicConfigTable": table,
        },
    })
    .to_string()
    .into_bytes()
}

/// Registers a master of cluster `C` with topics `T` and `TBW102`.
pub(crate) fn register(client: &mut Client, broker: &str, address: &str) -> Answer {
    let ext = [("brokerName", broker), ("brokerAddr", address), ("clusterName", "C"), ("brokerId", "0")];
    client.ask(103, &ext, &registration(&[("T", 4, 6), ("TBW102", 8, 7)], 1))
}
