//! How long an empty store takes to open, on the real disk under the working directory. A figure, not a gate:
//! `cargo test --release -p store --test facade -- --ignored --nocapture an_empty_store`.

use rt::real::{ShardOptions, run_shard};
use rt::{Event, Now, Reactor, TurnOutcome};
use store::{Store, StoreConfig, StoreError};

struct Stop;

impl Reactor for Stop {
    fn event(&mut self, _event: Event<'_>, _now: Now) {}

    fn end_of_turn(&mut self, _now: Now) -> TurnOutcome {
        TurnOutcome { deadline: None, stop: true }
    }
}

#[test]
#[ignore = "a measurement"]
#[expect(clippy::disallowed_methods, reason = "it measures real time")]
fn an_empty_store_of_the_default_size_opens() {
    for round in 0..3 {
        let dir = std::env::current_dir().unwrap().join(format!("start-{}-{round}", std::process::id()));
        let path = dir.clone();
        run_shard(ShardOptions::new("start"), move |env| async move {
            let started = std::time::Instant::now();
            let (store, report) = Store::open(env, StoreConfig::new(path)).await?;
            println!("opened in {} ms", started.elapsed().as_micros() as f64 / 1000.0);
            assert!(report.formatted);
            drop(store);
            Ok::<_, StoreError>(Stop)
        })
        .unwrap();
        std::fs::remove_dir_all(dir).unwrap();
    }
}
