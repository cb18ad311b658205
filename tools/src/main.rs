//! `ringmq`: the one binary. Servers, their configuration, and the tools to use and watch them.
//!
//! Called through a link named `mqbroker`, `mqnamesrv` or `mqshutdown` it is that command of RocketMQ.
#![forbid(unsafe_code)]

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ringmq::main()
}
