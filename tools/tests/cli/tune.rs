//! `ringmq tune check` on a made-up host.

use std::fs;

use crate::ringmq::Place;

#[test]
fn a_host_that_is_not_as_wanted_ends_with_3_and_one_that_is_with_0() {
    let place = Place::new("tune");
    let swappiness = place.dir.join("root/proc/sys/vm/swappiness");
    fs::create_dir_all(swappiness.parent().unwrap()).unwrap();
    let check = |text: &str, more: &[&str]| {
        fs::write(&swappiness, text).unwrap();
        place.run(&[&["tune", "check", "--root", "root"], more].concat())
    };
    let bad = check("60\n", &["--output", "json"]);
    assert_eq!(bad.code, Some(3));
    assert!(
        bad.out.contains("\"knob\": \"vm.swappiness\"") && bad.out.contains("\"current\": \"60\""),
        "{}",
        bad.out
    );
    let good = check("10\n", &[]);
    assert_eq!(good.code, Some(0), "{}", good.err);
    assert!(good.out.ends_with("\n0 fatal, 0 to warn of, 0 to know, 1 as wanted\n"), "{}", good.out);
    assert!(
        check("10\n", &["--all"]).out.contains("ok        vm.swappiness"),
        "a fine row is shown when asked for"
    );
}

#[test]
fn a_root_that_is_none_is_a_usage_error() {
    let place = Place::new("tune-root");
    for (root, why) in [("nowhere", "nowhere is no directory"), (".", "neither /proc nor /sys")] {
        let refused = place.run(&["tune", "check", "--root", root]);
        assert_eq!(
            (refused.code, refused.out.as_str()),
            (Some(2), ""),
            "all is well where nothing was looked at"
        );
        assert!(refused.err.contains(why), "{}", refused.err);
    }
}
