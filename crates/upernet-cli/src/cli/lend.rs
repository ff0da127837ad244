//! The arguments of `lend`.

use std::net::SocketAddr;

use clap::Args;

const LEND_AFTER: &str = "\
Prints the names by which other machines call the devices, one a line, and lends until Ctrl-C. A client that \
breaks off ends its own session; the next is served. All devices of one call belong to one backend.

burn's protocol is not encrypted, and without a token whoever reaches the port can compute here and fill the \
memory. Keep to 127.0.0.1 and a tunnel, or to a network whose every member is trusted. With the variable \
UPERNET_REMOTE_TOKEN set on both sides, strangers are refused, though they can still read what passes.

Examples:
  upernet lend --listen 127.0.0.1:7700
  UPERNET_REMOTE_TOKEN=... upernet lend --listen 10.0.0.2:7700 --devices cuda:0,cuda:1
  upernet train --preset smoke --devices remote:10.0.0.2:7700,remote:10.0.0.2:7700/1 --out runs/far";

/// Lend this machine's devices to upernet on other machines, which call them remote:host:port
#[derive(Args, Debug)]
#[command(after_help = LEND_AFTER)]
pub(crate) struct LendArgs {
    /// Address and port of this machine to listen on; port 0 is any free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7700")]
    pub(crate) listen: SocketAddr,
    /// Device, or several with commas between; others count them from 0, as remote:host:port/1
    #[arg(
        long,
        visible_alias = "device",
        value_name = "DEVICE",
        value_delimiter = ','
    )]
    #[arg(default_value = "auto")]
    pub(crate) devices: Vec<String>,
}
