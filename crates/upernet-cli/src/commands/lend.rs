//! `lend`: this machine's devices, for others to compute on.

use std::{net::SocketAddr, panic};

use upernet::{
    device::{self, Found},
    remote::{Lender, TOKEN_VARIABLE, Visit, token_from_env},
};

use crate::{
    cli::LendArgs,
    console::Console,
    failure::Failure,
    output::{Stdout, one_line},
};

pub(crate) fn run(args: &LendArgs, console: Console) -> Result<(), Failure> {
    let found: Result<Vec<Found>, _> = args.devices.iter().map(|name| device::find(name)).collect();
    let found = found?;
    let devices = found.iter().map(|found| found.device.clone()).collect();
    let failed = |error: upernet::remote::LendError| Failure::Failed(error.to_string());
    let token = token_from_env();
    let lender = Lender::bind(args.listen, devices).map_err(failed)?;
    if !lender.address().ip().is_loopback() {
        console.note(&warning(lender.address(), token.is_some()));
    }
    Stdout::default().print(&names(lender.address(), &found))?;
    report_panics(console);
    lender
        .with_token(token)
        .serve(move |visit: &Visit| console.note(&visit.to_string()))
        .map_err(failed)
}

/// What others call the devices.
fn names(address: SocketAddr, found: &[Found]) -> String {
    let host = if address.ip().is_unspecified() {
        format!("<this machine>:{}", address.port())
    } else {
        address.to_string()
    };
    let line = |(index, found): (usize, &Found)| match index {
        0 => format!("remote:{host}  {}\n", one_line(&found.name)),
        index => format!("remote:{host}/{index}  {}\n", one_line(&found.name)),
    };
    found.iter().enumerate().map(line).collect()
}

fn warning(address: SocketAddr, has_token: bool) -> String {
    let who = if has_token {
        "whoever reads the token on the way".to_owned()
    } else {
        format!("whoever reaches the port (set {TOKEN_VARIABLE} on both sides to refuse strangers)")
    };
    format!(
        "warning: on {address} nothing is encrypted, and {who} can compute here; use a tunnel or a network you trust"
    )
}

/// A session that fails is no failure of this process, but its owner wants to know.
fn report_panics(console: Console) {
    panic::set_hook(Box::new(move |info| {
        let message = info.payload_as_str().unwrap_or("no message");
        console.error(&format!("a session failed: {message}"));
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_named_as_others_call_them() {
        let flex = device::find("flex").expect("in every build that is tested");
        let found = [flex.clone(), flex];
        let at = |address: &str| names(address.parse().expect("an address"), &found);
        assert_eq!(
            at("[::1]:7700"),
            "remote:[::1]:7700  flex\nremote:[::1]:7700/1  flex\n"
        );
        assert!(at("0.0.0.0:1").starts_with("remote:<this machine>:1  flex\n"));
    }

    #[test]
    fn the_warning_says_what_a_token_is_worth() {
        let address = "0.0.0.0:7700".parse().expect("an address");
        assert!(warning(address, false).contains(TOKEN_VARIABLE));
        assert!(warning(address, true).contains("reads the token"));
    }
}
