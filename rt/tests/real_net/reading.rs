//! Receives: switched off and on, and more bytes than there are buffers.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::io::Write;
use std::net::TcpStream;
use std::rc::Rc;
use std::sync::mpsc;

use rt::real::{RealEnv, ShardOptions, start_shard};
use rt::{Env, Event, Transport};

use crate::support::{Script, anywhere, options, pattern, stop_if};

#[test]
fn a_connection_that_is_not_read_gets_everything_later() {
    const BYTES: usize = 300_000;
    let (tell, told) = mpsc::channel();
    let (say, heard) = mpsc::channel();
    let shard = start_shard(options(), move |env: RealEnv| async move {
        tell.send(env.net().listen(anywhere()).unwrap().1).unwrap();
        let got = Rc::new(RefCell::new(Vec::new()));
        let all = got.clone();
        let mut pauses = 0;
        let (resume, paused) = (env.clone(), Rc::new(Cell::new(None)));
        let pause = paused.clone();
        Ok::<_, Infallible>(Script {
            event: move |event: Event<'_>, _| {
                if let Event::Received { conn, bytes } = event {
                    got.borrow_mut().extend_from_slice(bytes);
                    if pauses < 20 {
                        pauses += 1;
                        env.net().set_reading(conn, false);
                        if pauses % 3 == 0 {
                            // Off, on, off before the first cancellation is through.
                            env.net().set_reading(conn, true);
                            env.net().set_reading(conn, false);
                        }
                        pause.set(Some(conn));
                    }
                }
            },
            turn: move |now: rt::Now| {
                if let Some(conn) = paused.take() {
                    resume.net().set_reading(conn, true);
                }
                let done = all.borrow().len() == BYTES;
                if done {
                    say.send(all.take()).unwrap();
                }
                rt::TurnOutcome { deadline: Some(now.mono.plus_ms(1)), stop: done }
            },
        })
    })
    .unwrap();
    let mut stream = TcpStream::connect(told.recv().unwrap()).unwrap();
    stream.write_all(&pattern(BYTES)).unwrap();
    assert!(heard.recv().unwrap() == pattern(BYTES));
    shard.join().unwrap();
}

#[test]
fn nothing_is_received_while_reading_is_off() {
    let (tell, told) = mpsc::channel();
    let (say, heard) = mpsc::channel();
    let bell_flag = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let resume = bell_flag.clone();
    let shard = start_shard(options(), move |env: RealEnv| async move {
        tell.send(env.net().listen(anywhere()).unwrap().1).unwrap();
        let conn = Rc::new(Cell::new(None));
        let (accepted, done) = (conn.clone(), Rc::new(Cell::new(false)));
        let (is_done, net) = (done.clone(), env.clone());
        let flag = resume.clone();
        let mut turns = 0;
        Ok::<_, Infallible>(Script {
            event: move |event: Event<'_>, _| match event {
                Event::Accepted { conn, .. } => {
                    net.net().set_reading(conn, false);
                    accepted.set(Some(conn));
                }
                Event::Received { .. } => {
                    assert!(flag.load(std::sync::atomic::Ordering::SeqCst), "reading was off");
                    done.set(true);
                }
                _ => {}
            },
            turn: move |now: rt::Now| {
                // The cancellation is through after a turn or two; then the client may write.
                let accepted = conn.get().is_some();
                turns += u32::from(accepted);
                if turns == 5 {
                    let _ = say.send(());
                }
                if accepted && resume.load(std::sync::atomic::Ordering::SeqCst) {
                    env.net().set_reading(conn.take().unwrap(), true);
                }
                let deadline = (turns < 5).then(|| now.mono.plus_ms(1));
                rt::TurnOutcome { deadline, stop: is_done.get() }
            },
        })
    })
    .unwrap();
    let mut stream = TcpStream::connect(told.recv().unwrap()).unwrap();
    heard.recv().unwrap();
    stream.write_all(b"early").unwrap();
    // Enough turns for the bytes to have come through, were reading on.
    for _ in 0..100 {
        shard.doorbell().ring();
        std::thread::yield_now();
    }
    bell_flag.store(true, std::sync::atomic::Ordering::SeqCst);
    shard.doorbell().ring();
    shard.join().unwrap();
}

#[test]
fn a_flood_without_free_buffers_loses_nothing() {
    const CONNECTIONS: usize = 40;
    const BYTES: usize = 64 << 10;
    let few_buffers = ShardOptions { receive_buffers: 4, ..options() };
    let (tell, told) = mpsc::channel();
    let (say, heard) = mpsc::channel();
    let (go, wait) = mpsc::channel::<()>();
    let shard = start_shard(few_buffers, move |env: RealEnv| async move {
        tell.send(env.net().listen(anywhere()).unwrap().1).unwrap();
        let got: Rc<RefCell<Vec<Vec<u8>>>> = Rc::default();
        let (all, accepted) = (got.clone(), Rc::new(Cell::new(0)));
        let count = accepted.clone();
        let counters = env.clone();
        Ok::<_, Infallible>(Script {
            event: move |event: Event<'_>, _| match event {
                Event::Accepted { conn, .. } => {
                    assert_eq!(conn.index as usize, got.borrow().len());
                    got.borrow_mut().push(Vec::new());
                    accepted.set(accepted.get() + 1);
                }
                Event::Received { conn, bytes } => {
                    got.borrow_mut()[conn.index as usize].extend_from_slice(bytes);
                }
                _ => {}
            },
            turn: move |_| {
                if count.get() == CONNECTIONS {
                    // The shard holds still until every client has filled its socket.
                    count.set(0);
                    wait.recv().unwrap();
                }
                let done = all.borrow().iter().filter(|bytes| bytes.len() == BYTES).count() == CONNECTIONS;
                if done {
                    say.send((all.take(), counters.counters())).unwrap();
                }
                stop_if(done)
            },
        })
    })
    .unwrap();
    let at = told.recv().unwrap();
    let mut streams: Vec<_> = (0..CONNECTIONS).map(|_| TcpStream::connect(at).unwrap()).collect();
    for stream in &mut streams {
        stream.write_all(&pattern(BYTES)).unwrap();
    }
    go.send(()).unwrap();
    let (got, counters) = heard.recv().unwrap();
    assert!(got.iter().all(|bytes| *bytes == pattern(BYTES)));
    assert!(counters.enobufs > 0, "{counters:?}");
    assert_eq!(counters.overflow, 0, "{counters:?}");
    shard.join().unwrap();
}
