//! The real disk over the ring.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::os::unix::fs::MetadataExt;

use rt::{BLOCK, Disk, DiskFile, Env, OpenMode, SharedSlice};
use support::{TempDir, on_a_shard, pattern};

#[test]
fn what_is_written_is_read_back_and_renamed() {
    let dir = TempDir::new("disk");
    let path = dir.path().to_path_buf();
    on_a_shard(move |env| async move {
        let disk = env.disk();
        let file = disk.open(&path.join("a"), OpenMode::CreateNew { direct: false }).await.unwrap();
        file.write_at(3, SharedSlice::copied(b"hello"), true).await.unwrap();
        file.flush().await.unwrap();
        assert_eq!(file.len().await.unwrap(), 8);
        assert_eq!(&*file.read_at(0, 100).await.unwrap(), b"\0\0\0hello");
        assert_eq!(&*file.read_at(8, 100).await.unwrap(), b"");
        disk.rename(&path.join("a"), &path.join("b")).await.unwrap();
        disk.sync_dir(&path).await.unwrap();
        let names: Vec<_> = disk.list(&path).await.unwrap().into_iter().map(|entry| entry.name).collect();
        assert_eq!(names, ["b"]);
        disk.remove(&path.join("b")).await.unwrap();
        assert!(disk.open(&path.join("b"), OpenMode::Read { direct: false }).await.is_err());
        assert!(disk.space(&path).unwrap().total > BLOCK as u64);
    });
}

#[test]
fn direct_blocks_survive_in_any_order() {
    let dir = TempDir::new("direct");
    if !rt::real::device::probe(dir.path()).unwrap().direct {
        println!("skipped: this filesystem has no O_DIRECT");
        return;
    }
    let path = dir.path().join("file");
    on_a_shard(move |env| async move {
        let file = env.disk().open(&path, OpenMode::CreateNew { direct: true }).await.unwrap();
        file.allocate(1 << 20).await.unwrap();
        assert_eq!(file.len().await.unwrap(), 1 << 20);
        let data = SharedSlice::copied(&pattern(1 << 20));
        for (number, block) in [7_usize, 3, 200, 0, 255].into_iter().enumerate() {
            let at = block * BLOCK;
            file.write_at(at as u64, data.range(at, at + BLOCK), number % 2 == 0).await.unwrap();
        }
        file.flush().await.unwrap();
        let back = file.read_at(0, 1 << 20).await.unwrap();
        for block in 0..256 {
            let range = block * BLOCK..(block + 1) * BLOCK;
            if [7, 3, 200, 0, 255].contains(&block) {
                assert!(back[range.clone()] == data[range], "block {block}");
            } else {
                assert!(back[range].iter().all(|byte| *byte == 0), "block {block}");
            }
        }
        // A file that ends within a block: direct reads stop there.
        file.truncate(BLOCK as u64 + 10).await.unwrap();
        assert_eq!(file.read_at(0, 4 * BLOCK).await.unwrap().len(), BLOCK + 10);
    });
}

#[test]
fn many_operations_in_flight_all_come_back() {
    let dir = TempDir::new("many");
    let path = dir.path().join("file");
    on_a_shard(move |env| async move {
        let file = env.disk().open(&path, OpenMode::CreateNew { direct: false }).await.unwrap();
        let left = std::rc::Rc::new(std::cell::Cell::new(0));
        // More than the submission queue holds.
        for number in 0..3000_u64 {
            left.set(left.get() + 1);
            let (file, left) = (file.clone(), left.clone());
            env.spawn(rt::Class::Flush, async move {
                let data = SharedSlice::copied(&number.to_le_bytes());
                file.write_at(number * 8, data, false).await.unwrap();
                left.set(left.get() - 1);
            });
        }
        while left.get() > 0 {
            env.sleep(std::time::Duration::from_millis(1)).await;
        }
        let back = file.read_at(0, 3000 * 8).await.unwrap();
        for (number, bytes) in back.chunks(8).enumerate() {
            assert_eq!(bytes, (number as u64).to_le_bytes());
        }
        assert!(env.counters().disk_ops > 3000);
        assert_eq!(env.counters().overflow, 0);
    });
}

#[test]
fn errors_are_told_and_leave_nothing_behind() {
    let dir = TempDir::new("errors");
    let path = dir.path().to_path_buf();
    on_a_shard(move |env| async move {
        let disk = env.disk();
        let kind = |error: std::io::Error| error.kind();
        let missing =
            disk.open(&path.join("x"), OpenMode::Write { direct: false }).await.map(drop).map_err(kind);
        assert_eq!(missing, Err(std::io::ErrorKind::NotFound));
        let file = disk.open(&path.join("x"), OpenMode::CreateNew { direct: false }).await.unwrap();
        let again = disk.open(&path.join("x"), OpenMode::CreateNew { direct: false }).await.map(drop);
        assert_eq!(again.map_err(kind), Err(std::io::ErrorKind::AlreadyExists));
        file.write_at(0, SharedSlice::copied(b"x"), false).await.unwrap();
        let read_only = disk.open(&path.join("x"), OpenMode::Read { direct: false }).await.unwrap();
        assert!(read_only.write_at(0, SharedSlice::copied(b"y"), false).await.is_err());
        assert_eq!(&*read_only.read_at(0, 1).await.unwrap(), b"x");
        assert!(disk.rename(&path.join("y"), &path.join("z")).await.is_err());
        assert!(disk.remove(&path.join("y")).await.is_err());
        let name_with_nul = std::path::Path::new("a\0b");
        assert_eq!(disk.remove(name_with_nul).await.map_err(kind), Err(std::io::ErrorKind::InvalidInput));
        disk.create_dir(&path.join("d/e")).await.unwrap();
        disk.create_dir(&path.join("d/e")).await.unwrap();
        assert_eq!(disk.list(&path).await.unwrap().len(), 1, "directories are not listed");
        assert_eq!(std::fs::metadata(path.join("x")).unwrap().mode() & 0o777, 0o640);
    });
}

/// reliability.md F10: a write beyond the file-size limit is an error, not a signal. In a process of its own.
#[test]
fn a_write_beyond_the_size_limit_is_an_error() {
    const MARK: &str = "RT_TEST_FSIZE";
    let Ok(path) = std::env::var(MARK) else {
        let dir = TempDir::new("fsize");
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_write_beyond_the_size_limit_is_an_error"])
            .env(MARK, dir.path().join("file"))
            .output()
            .unwrap();
        assert!(child.status.success(), "{child:?}");
        return;
    };
    use rustix::process::{Resource, Rlimit, setrlimit};
    setrlimit(Resource::Fsize, Rlimit { current: Some(10_000), maximum: Some(10_000) }).unwrap();
    on_a_shard(move |env| async move {
        let file = env.disk().open(path.as_ref(), OpenMode::CreateNew { direct: false }).await.unwrap();
        let error = file.write_at(0, SharedSlice::copied(&pattern(20_000)), false).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::FileTooLarge);
    });
}
