//! The real disk over the ring.

mod support;

use rt::{BLOCK, Disk, DiskFile, Env, OpenMode, SharedSlice};
use support::on_a_shard;

#[test]
fn what_is_written_is_read_back_and_renamed() {
    let dir = support::TempDir::new("disk");
    let path = dir.path().to_path_buf();
    on_a_shard(move |env| async move {
        let disk = env.disk();
        let file = disk.open(&path.join("a"), OpenMode::CreateNew { direct: false }).await.unwrap();
        file.write_at(3, SharedSlice::copied(b"hello"), true).await.unwrap();
        file.flush().await.unwrap();
        assert_eq!(file.len().await.unwrap(), 8);
        assert_eq!(&*file.read_at(0, 100).await.unwrap(), b"\0\0\0hello");
        disk.rename(&path.join("a"), &path.join("b")).await.unwrap();
        disk.sync_dir(&path).await.unwrap();
        let names: Vec<_> = disk.list(&path).await.unwrap().into_iter().map(|entry| entry.name).collect();
        assert_eq!(names, ["b"]);
        disk.remove(&path.join("b")).await.unwrap();
        assert!(disk.open(&path.join("b"), OpenMode::Read { direct: false }).await.is_err());
        assert!(disk.space(&path).unwrap().total > BLOCK as u64);
    });
}
