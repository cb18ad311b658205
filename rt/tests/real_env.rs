//! Time, tasks, wake-ups and the end of a real shard.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::Future;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::pin::pin;
use std::rc::Rc;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rt::real::{OnPanic, RealEnv, ShardError, ShardOptions, Spin, mesh, run_shard, start_shard};
use rt::{Class, Disk, DiskFile, Env, Event, Now, OpenMode, SharedSlice, TurnOutcome};
use support::{EchoServer, GO_ON, Script, TempDir, on_a_shard, options, stop_if};

#[test]
fn a_deadline_wakes_a_parked_shard_not_before_its_time() {
    let turns = Rc::new(RefCell::new(Vec::new()));
    let seen = turns.clone();
    run_shard(options(), move |_| async move {
        Ok::<_, Infallible>(Script {
            event: |_: Event<'_>, _| {},
            turn: move |now: Now| {
                let mut turns = turns.borrow_mut();
                turns.push(now.mono);
                TurnOutcome { deadline: Some(now.mono.plus_ms(5)), stop: turns.len() == 4 }
            },
        })
    })
    .unwrap();
    for pair in seen.borrow().windows(2) {
        assert!(pair[1].since(pair[0]) >= 5_000_000, "{pair:?}");
    }
}

#[test]
fn an_idle_shard_does_not_turn() {
    let (tell, told) = mpsc::channel();
    let shard = start_shard(options(), move |env: RealEnv| async move {
        let mut turns = 0;
        Ok::<_, Infallible>(Script {
            event: |_: Event<'_>, _| {},
            turn: move |_| {
                turns += 1;
                tell.send(env.counters().enters).unwrap();
                stop_if(turns == 3)
            },
        })
    })
    .unwrap();
    let first = told.recv().unwrap();
    shard.doorbell().ring();
    let second = told.recv().unwrap();
    shard.doorbell().ring();
    let third = told.recv().unwrap();
    shard.join().unwrap();
    // One call that slept, one for the doorbell's completion, and a spare.
    assert!(second - first <= 4 && third - second <= 4, "{first} {second} {third}");
}

#[test]
fn every_message_of_many_threads_arrives() {
    const THREADS: u64 = 4;
    const EACH: u64 = 2000;
    for spin in [Spin::Off, Spin::Micros(20), Spin::Auto] {
        let bell = rt::real::Doorbell::new().unwrap();
        let (sender, receiver) = mesh::channel(bell.clone(), 64);
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let sender = sender.clone();
                std::thread::Builder::new()
                    .spawn(move || {
                        for number in 0..EACH {
                            let mut message = thread * EACH + number;
                            while let Err(mesh::NotSent::Full(back)) = sender.try_send(message) {
                                message = back;
                                std::thread::yield_now();
                            }
                        }
                    })
                    .unwrap()
            })
            .collect();
        let sum = Rc::new(Cell::new((0, 0)));
        let total = sum.clone();
        run_shard(ShardOptions { spin, doorbell: Some(bell), ..options() }, move |_| async move {
            Ok::<_, Infallible>(Script {
                event: |_: Event<'_>, _| {},
                turn: move |_| {
                    while let Some(message) = receiver.try_recv() {
                        let (count, sum) = total.get();
                        total.set((count + 1, sum + message));
                    }
                    stop_if(total.get().0 == THREADS * EACH)
                },
            })
        })
        .unwrap();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(sum.get().1, (0..THREADS * EACH).sum::<u64>());
    }
}

#[test]
fn sleeps_end_in_the_order_of_their_deadlines() {
    let order = on_a_shard(|env| async move {
        let order: Rc<RefCell<Vec<u64>>> = Rc::default();
        let started = env.now().mono;
        for ms in [30, 10, 20] {
            let (order, env) = (order.clone(), env.clone());
            let task = env.clone();
            env.spawn(Class::Admin, async move {
                task.sleep(Duration::from_millis(ms)).await;
                assert!(task.now().mono.since(started) >= ms * 1_000_000);
                order.borrow_mut().push(ms);
            });
        }
        drop(env.sleep(Duration::from_secs(3600)));
        while order.borrow().len() < 3 {
            env.sleep(Duration::from_millis(1)).await;
        }
        order.take()
    });
    assert_eq!(order, [10, 20, 30]);
}

#[test]
fn a_busy_background_task_does_not_stop_the_echo() {
    for spin in [Spin::Off, Spin::Micros(u32::MAX)] {
        let (tell, at) = mpsc::channel();
        let (progress, progressed) = mpsc::channel();
        let shard = start_shard(ShardOptions { spin, ..options() }, move |env: RealEnv| async move {
            use rt::Transport;
            tell.send(env.net().listen(support::anywhere()).unwrap().1).unwrap();
            let busy = env.clone();
            env.spawn(Class::Housekeeping, async move {
                loop {
                    busy.yield_now().await;
                    let _ = progress.send(());
                }
            });
            let done = Rc::new(Cell::new(false));
            let is_done = done.clone();
            Ok::<_, Infallible>(Script {
                event: move |event: Event<'_>, _| match event {
                    Event::Received { conn, bytes } => {
                        let mut out = rt::Outbox::default();
                        out.bytes().extend_from_slice(bytes);
                        env.net().send(conn, out);
                    }
                    Event::Closed { .. } => done.set(true),
                    _ => {}
                },
                turn: move |_| stop_if(is_done.get()),
            })
        })
        .unwrap();
        let mut stream = TcpStream::connect(at.recv().unwrap()).unwrap();
        for round in 0..50 {
            stream.write_all(&[round]).unwrap();
            let mut got = [0];
            stream.read_exact(&mut got).unwrap();
            assert_eq!(got, [round]);
            // The task is not starved either, whether the pump sleeps or polls.
            progressed.recv().unwrap();
        }
        drop(stream);
        shard.join().unwrap();
    }
}

#[test]
fn a_task_woken_by_another_thread_runs_on_a_parked_shard() {
    let answer = on_a_shard(|_| async {
        let (to_thread, from_shard) = mpsc::channel::<Waker>();
        let slot = std::sync::Arc::new(std::sync::Mutex::new(None));
        let fill = slot.clone();
        let thread = std::thread::Builder::new()
            .spawn(move || {
                let waker = from_shard.recv().unwrap();
                *fill.lock().unwrap() = Some(42);
                waker.wake();
            })
            .unwrap();
        let answer = std::future::poll_fn(|context: &mut Context<'_>| match *slot.lock().unwrap() {
            Some(answer) => Poll::Ready(answer),
            None => {
                let _ = to_thread.send(context.waker().clone());
                Poll::Pending
            }
        })
        .await;
        thread.join().unwrap();
        answer
    });
    assert_eq!(answer, 42);
}

#[test]
fn futures_dropped_in_flight_leave_their_buffers_to_the_kernel() {
    let dir = TempDir::new("drop");
    let path = dir.path().join("file");
    on_a_shard(move |env| async move {
        let file = env.disk().open(&path, OpenMode::CreateNew { direct: false }).await.unwrap();
        let data = SharedSlice::copied(&support::pattern(1 << 20));
        for round in 0..50_u64 {
            let mut write = pin!(file.write_at(round << 20, data.clone(), round % 7 == 0));
            let mut read = pin!(file.read_at(0, 1 << 20));
            // Polled once, so that they are submitted; dropped before they are done, or never polled again.
            let polled = futures_poll(write.as_mut());
            assert!(polled.is_pending() || round > 0);
            let _ = futures_poll(read.as_mut());
            if round % 2 == 0 {
                env.yield_now().await;
            }
        }
        file.flush().await.unwrap();
        // Writes run to their end unobserved; what is there afterwards is whole.
        while file.len().await.unwrap() < 50 << 20 {
            env.sleep(Duration::from_millis(1)).await;
        }
        let last = file.read_at(49 << 20, 1 << 20).await.unwrap();
        assert!(last[..] == data[..]);
    });
}

fn futures_poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_shard_that_cannot_be_built_says_why() {
    let outcome = run_shard(options(), |env: RealEnv| async move {
        env.sleep(Duration::from_millis(1)).await;
        Err::<support::Stopped, _>("no store")
    });
    assert!(matches!(outcome, Err(ShardError::Build("no store"))));
}

#[test]
fn a_stopping_shard_drops_connections_and_its_thread_ends() {
    let server = EchoServer::start(options());
    let mut stream = TcpStream::connect(server.at).unwrap();
    stream.write_all(b"x").unwrap();
    stream.read_exact(&mut [0]).unwrap();
    let at = server.at;
    server.stop();
    assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0, "closed or reset");
    assert!(TcpStream::connect(at).is_err(), "the port is free");
}

#[test]
fn random_numbers_differ_between_shards_and_calls() {
    let numbers = || on_a_shard(|env| async move { (env.random(), env.random()) });
    let ((a, b), (c, d)) = (numbers(), numbers());
    assert_eq!([a, b, c, d].iter().collect::<std::collections::HashSet<_>>().len(), 4);
}

#[test]
fn a_panicking_shard_ends_the_process() {
    const MARK: &str = "RT_TEST_PANIC";
    if let Ok(place) = std::env::var(MARK) {
        let options = ShardOptions { on_panic: OnPanic::EndProcess, ..options() };
        let shard = start_shard(options, move |env: RealEnv| async move {
            match place.as_str() {
                "build" => panic!("on purpose"),
                "task" => env.spawn(Class::Flush, async { panic!("on purpose") }),
                _ => env.kick(),
            }
            Ok::<_, Infallible>(Script {
                event: |_: Event<'_>, _| {},
                turn: move |_| if place == "turn" { panic!("on purpose") } else { GO_ON },
            })
        });
        let _ = shard.unwrap().join();
        std::process::exit(0);
    }
    for place in ["build", "task", "turn"] {
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_panicking_shard_ends_the_process", "--nocapture"])
            .env(MARK, place)
            .output()
            .unwrap();
        assert_eq!(child.status.code(), Some(101), "{place}: {child:?}");
        assert!(String::from_utf8_lossy(&child.stderr).contains("shard test panicked"), "{place}");
    }
}
