//! A proxy that keeps a few frames of every kind that pass through it.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    path::PathBuf,
    sync::{Arc, Mutex},
};

use crate::{trouble::Trouble, wire::Head};

/// Of one kind of exchange, this many are kept.
const KEPT: u32 = 2;
/// Larger frames prove nothing that smaller ones do not.
const FRAME_BYTES_MAX: usize = 8 * 1024;

/// Writes `DIR/CODE-N.request` and `.response`, whole frames with their length, as they passed.
#[derive(Debug)]
pub(crate) struct Recorder {
    folder: PathBuf,
    /// How many are kept, by `code-responsecode` or `oneway`.
    kept: Mutex<BTreeMap<String, u32>>,
}

impl Recorder {
    pub(crate) fn new(folder: PathBuf) -> Result<Arc<Self>, Trouble> {
        fs::create_dir_all(&folder).map_err(Trouble::io(format!("make {}", folder.display())))?;
        Ok(Arc::new(Self { folder, kept: Mutex::default() }))
    }

    /// Listens on `port` and passes everything on to `target`; addresses in what comes back are replaced by
    /// `replace` (same length), so that clients come to the proxies of the brokers too. Ends with the process.
    pub(crate) fn listen(
        self: &Arc<Self>,
        port: u16,
        target: u16,
        replace: Vec<(String, String)>,
    ) -> Result<(), Trouble> {
        assert!(replace.iter().all(|(from, to)| from.len() == to.len()), "a frame keeps its length");
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(Trouble::io("listen as a proxy"))?;
        let recorder = Arc::clone(self);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)) else { continue };
                recorder.couple(client, server, &replace);
            }
        });
        Ok(())
    }

    fn couple(self: &Arc<Self>, client: TcpStream, server: TcpStream, replace: &[(String, String)]) {
        let open: Arc<Mutex<HashMap<(bool, i32), Exchange>>> = Arc::default();
        for from_client in [true, false] {
            let (from, to) = if from_client { (&client, &server) } else { (&server, &client) };
            let (Ok(mut from), Ok(mut to)) = (from.try_clone(), to.try_clone()) else { return };
            let (recorder, open) = (Arc::clone(self), Arc::clone(&open));
            let replace = if from_client { vec![] } else { replace.to_vec() };
            std::thread::spawn(move || {
                while let Some(mut frame) = read_frame(&mut from) {
                    recorder.note(from_client, &frame, &mut open.lock().expect("no holder panics"));
                    for (old, new) in &replace {
                        substitute(&mut frame, old.as_bytes(), new.as_bytes());
                    }
                    if to.write_all(&frame).is_err() {
                        break;
                    }
                }
                let _ = to.shutdown(Shutdown::Both); // it may be closed already
                let _ = from.shutdown(Shutdown::Both);
            });
        }
    }

    fn note(&self, from_client: bool, frame: &[u8], open: &mut HashMap<(bool, i32), Exchange>) {
        let Some(head) = Head::of(frame) else { return };
        let side = if from_client { "" } else { "server-" };
        if head.is_reply() {
            if let Some(exchange) = open.remove(&(!from_client, head.opaque)) {
                self.keep(
                    &format!("{}-{}", exchange.name, head.code),
                    &[("request", &exchange.frame), ("response", frame)],
                );
            }
        } else if head.is_oneway() {
            self.keep(&format!("{side}{}-oneway", head.code), &[("request", frame)]);
        } else if frame.len() <= FRAME_BYTES_MAX {
            open.insert(
                (from_client, head.opaque),
                Exchange { name: format!("{side}{}", head.code), frame: frame.to_vec() },
            );
        }
    }

    fn keep(&self, kind: &str, frames: &[(&str, &[u8])]) {
        if frames.iter().any(|(_, frame)| frame.len() > FRAME_BYTES_MAX) {
            return;
        }
        let mut kept = self.kept.lock().expect("no holder panics");
        let count = kept.entry(kind.to_owned()).or_default();
        if *count == KEPT {
            return;
        }
        *count += 1;
        for (part, frame) in frames {
            let file = self.folder.join(format!("{kind}-{count}.{part}"));
            fs::write(&file, frame).unwrap_or_else(|e| panic!("cannot write {}: {e}", file.display()));
        }
    }
}

#[derive(Debug)]
struct Exchange {
    name: String,
    frame: Vec<u8>,
}

fn read_frame(from: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length).ok()?;
    let mut frame = length.to_vec();
    let length = u32::from_be_bytes(length) as usize;
    frame.resize(4 + length, 0);
    from.read_exact(&mut frame[4..]).ok()?;
    Some(frame)
}

fn substitute(bytes: &mut [u8], old: &[u8], new: &[u8]) {
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(old.len()).position(|window| window == old) {
        at += found;
        bytes[at..at + new.len()].copy_from_slice(new);
        at += new.len();
    }
}
