//! Every file of the corpora, every captured frame, and mutations of both, through the functions that libFuzzer calls.
//! `RINGMQ_FUZZ_ROUNDS=100` tries a hundred times as many mutations.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use fuzz::mutate::mutated;
use fuzz::{TARGETS, Target, target};
use net::{Codec, FrameDecoder};

/// Names the input that panicked.
struct Trying<'a> {
    target: &'a str,
    input: String,
}

impl Drop for Trying<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("target {} failed with {}", self.target, self.input);
        }
    }
}

fn replay(target: Target, name: &str, input: &[u8], mutations: u32) {
    for number in 0..=mutations * rounds() {
        let changed = if number == 0 { input.to_vec() } else { mutated(input, number) };
        let trying =
            Trying { target: target.name, input: format!("{name}, mutation {number}: {changed:02x?}") };
        (target.run)(&changed);
        drop(trying);
    }
}

fn rounds() -> u32 {
    std::env::var("RINGMQ_FUZZ_ROUNDS").map_or(1, |text| text.parse().unwrap())
}

fn files_below(directory: &Path, all: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, all);
        } else {
            all.push(path);
        }
    }
}

fn corpus(name: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpora").join(name);
    if directory.is_dir() {
        files_below(&directory, &mut files);
    }
    files.sort();
    files
}

fn replay_corpus(name: &str) {
    let target = target(name);
    let files = corpus(name);
    assert!(!files.is_empty(), "no corpus for {name}");
    for path in files {
        replay(target, &path.display().to_string(), &fs::read(&path).unwrap(), target.mutations);
    }
}

/// Frames that Java and Go sent, from the fixtures of `net`.
fn captured() -> Vec<(String, Vec<u8>)> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../net/tests/fixtures");
    let mut files = Vec::new();
    files_below(&fixtures, &mut files);
    files.sort();
    let is_frame = |path: &PathBuf| {
        path.extension()
            .is_some_and(|extension| ["frame", "request", "response"].iter().any(|one| extension == *one))
    };
    files
        .into_iter()
        .filter(is_frame)
        .map(|path| (path.display().to_string(), fs::read(&path).unwrap()))
        .collect()
}

#[test]
fn every_target_has_a_corpus_and_every_corpus_a_target() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpora");
    let mut directories: Vec<String> = fs::read_dir(corpora)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    directories.sort();
    let mut names: Vec<&str> =
        TARGETS.iter().map(|target| target.name).filter(|name| *name != "binary_header").collect();
    names.sort_unstable();
    assert_eq!(directories, names, "binary headers come from captured frames");
}

#[test]
fn captured_frames_their_headers_and_their_bodies_survive_mutation() {
    let frames = captured();
    assert!(frames.len() > 100, "{} captured frames", frames.len());
    for (name, bytes) in frames {
        replay(target("frames"), &name, &[&[3, 0], &bytes[..]].concat(), 4);
        let mut decoder = FrameDecoder::default();
        let read = decoder.feed(&bytes, |frame| {
            let headers = match frame.codec {
                Codec::Json => target("json_header"),
                Codec::Binary => target("binary_header"),
            };
            replay(headers, &name, frame.header, 20);
            if frame.body.first() == Some(&b'{') {
                replay(target("json_bodies"), &name, frame.body, 2);
            }
            ControlFlow::Continue(())
        });
        read.unwrap();
    }
}

#[test]
fn the_corpora_of_the_wire_survive_mutation() {
    ["frames", "json_header", "json_bodies"].into_iter().for_each(replay_corpus);
}

#[test]
fn the_corpora_of_small_formats_survive_mutation() {
    ["properties", "batch", "configuration", "receipts"].into_iter().for_each(replay_corpus);
}

#[test]
fn the_corpora_of_the_store_survive_mutation() {
    ["record", "segment", "store_file"].into_iter().for_each(replay_corpus);
}
