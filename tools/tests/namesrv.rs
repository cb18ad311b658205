//! A name server as a process: boot line, `mqshutdown`, a clean end.

mod ringmq;

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use ringmq::{Place, said};

#[test]
fn a_name_server_prints_rocketmqs_boot_line_and_stops_on_request() {
    let place = Place::new("namesrv");
    place.write(
        "ns.conf",
        &format!("listenPort=0\nbindAddress=127.0.0.1\nkvConfigPath={}/kv.json\n", place.dir.display()),
    );
    let mut server = place
        .link("mqnamesrv")
        .args(["-c", "ns.conf"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut boot = String::new();
    BufReader::new(server.stdout.as_mut().unwrap()).read_line(&mut boot).unwrap();
    let address =
        boot.trim_end().strip_prefix("The Name Server boot success. serializeType=JSON, address ").unwrap();
    let list = place.run(&["admin", "topic", "list", "-n", address]);
    assert_eq!((list.code, list.out.as_str()), (Some(0), "TOPIC  KIND\n"), "{}", list.err);
    let route = place.run(&["admin", "topic", "route", "Nowhere", "-n", address]);
    assert_eq!(route.code, Some(1));
    assert!(route.err.contains("no broker serves topic Nowhere"), "{}", route.err);

    let id = server.id();
    let stop = said(place.link("mqshutdown").arg("namesrv").output().unwrap());
    let words = format!("The mqnamesrv({id}) is running...\nSend shutdown request to mqnamesrv({id}) OK\n");
    assert_eq!((stop.code, stop.out), (Some(0), words));
    assert!(server.wait().unwrap().success());
    let gone = said(place.link("mqshutdown").arg("namesrv").output().unwrap());
    assert_eq!(gone.out, "No mqnamesrv running.\n");
}
