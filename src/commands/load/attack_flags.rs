//! The flags of `houseful load attack` that say how requests are sent.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::num::NonZeroUsize;

use anyhow::{Context, bail};
use houseful_load::attack::{ConnectTo, Options, Targets, Tls, TlsFiles};

use super::generate::parse_duration;
use crate::cli::{AttackArgs, RefusedArgs};

/// Where name servers listen.
const DNS_PORT: u16 = 53;

/// An error names so many places of targets.
const PLACES_SHOWN: usize = 5;

/// Checks them all; reads the files of certificates.
pub(super) fn options(args: &AttackArgs) -> anyhow::Result<Options> {
    refuse(&args.refused)?;
    refuse_contradictions(args)?;
    let defaults = Options::default();
    let at_least_1 = |flag: &str, max: Option<usize>| match max {
        Some(max) => NonZeroUsize::new(max)
            .with_context(|| format!("{flag}: expected a number from 1, found 0"))
            .map(Some),
        None => Ok(None),
    };
    let requests_max = at_least_1("--max-workers", args.max_workers)?;
    let connections_max = at_least_1("--max-connections", args.max_connections)?;
    let tls_files = TlsFiles {
        insecure: args.insecure,
        roots: args.root_certs.clone(),
        certificate: args.cert.clone(),
        key: args.key.clone(),
        resumes: args.session_tickets,
    };
    let has_tls_flags = args.insecure
        || args.session_tickets
        || !args.root_certs.is_empty()
        || args.cert.is_some()
        || args.key.is_some();
    Ok(Options {
        name: args.name.clone(),
        timeout: Some(parse_duration("--timeout", &args.timeout)?).filter(|t| !t.is_zero()),
        keep_alive: args.keepalive,
        // Over HTTP/1.1 each request has a connection: either flag alone bounds both.
        requests_max,
        connections_max: connections_max.or(requests_max).unwrap_or(defaults.connections_max),
        http2: args.http2,
        h2c: args.h2c,
        connections_first: args.workers,
        connections_idle_max: args.connections.unwrap_or(defaults.connections_idle_max),
        redirects_max: args.redirects.map_or(defaults.redirects_max, |max| u32::try_from(max).ok()),
        is_chunked: args.chunked,
        unix_socket: args.unix_socket.clone(),
        connect_to: args
            .connect_to
            .iter()
            .map(|text| text.parse().context("--connect-to"))
            .collect::<anyhow::Result<_>>()?,
        local_address: local_address(args.laddr)?,
        resolvers: args
            .resolvers
            .iter()
            .map(|text| name_server(text))
            .collect::<anyhow::Result<_>>()?,
        tls: if has_tls_flags { Some(Tls::new(&tls_files)?) } else { None },
        body_max: body_max(&args.max_body)?,
        ..defaults
    })
}

/// One that is ours, for else each request would fail.
fn local_address(laddr: Option<IpAddr>) -> anyhow::Result<Option<IpAddr>> {
    let Some(address) = laddr.filter(|address| !address.is_unspecified()) else { return Ok(None) };
    UdpSocket::bind((address, 0))
        .with_context(|| format!("--laddr: cannot connect from `{address}`"))?;
    Ok(Some(address))
}

/// Nothing is accepted and ignored.
fn refuse(args: &RefusedArgs) -> anyhow::Result<()> {
    for (given, flag, why) in [
        (
            !args.proxy_header.is_empty(),
            "--proxy-header",
            "not supported: requests go to their servers, never to a proxy that would read it",
        ),
        (
            args.dns_ttl.is_some(),
            "--dns-ttl",
            "cannot be chosen: each host is looked up once, and its addresses are kept",
        ),
        (
            args.prometheus_addr.is_some(),
            "--prometheus-addr",
            "not supported: pipe the results to `houseful load report -every=10s` to watch them",
        ),
    ] {
        if given {
            bail!("{flag}: {why}");
        }
    }
    Ok(())
}

/// Refuses what another flag would make pointless.
fn refuse_contradictions(args: &AttackArgs) -> anyhow::Result<()> {
    let socket = "with --unix-socket, which takes every connection";
    let close = "with --keepalive=false, where each request opens a connection when it is due";
    let has_socket = args.unix_socket.is_some();
    for (contradicts, flag, why) in [
        (has_socket && !args.connect_to.is_empty(), "--connect-to", socket),
        (has_socket && !args.resolvers.is_empty(), "--resolvers", socket),
        (has_socket && args.laddr.is_some(), "--laddr", socket),
        (!args.keepalive && args.workers > 0, "--workers", close),
        (!args.keepalive && args.connections.is_some(), "--connections", close),
        (
            args.insecure && !args.root_certs.is_empty(),
            "--root-certs",
            "with --insecure, which trusts any certificate",
        ),
    ] {
        if contradicts {
            bail!("{flag}: cannot be used {why}");
        }
    }
    Ok(())
}

/// Refuses a `--connect-to` that would lead nothing elsewhere: the load would go to the real host.
///
/// Where targets are read as they are needed nothing is known of them yet; and whoever says how
/// many redirects to follow may mean a place that they lead to.
pub(super) fn check_places(
    args: &AttackArgs,
    options: &Options,
    targets: &Targets,
) -> anyhow::Result<()> {
    let Targets::Eager(targets) = targets else { return Ok(()) };
    if options.connect_to.is_empty() || args.redirects.is_some_and(|max| max > 0) {
        return Ok(());
    }
    let named: BTreeSet<(&str, u16)> =
        targets.iter().map(|target| (target.url.host(), target.url.port())).collect();
    for ConnectTo { from: (host, port), .. } in &options.connect_to {
        if !named.contains(&(host.as_str(), *port)) {
            let shown = named.iter().take(PLACES_SHOWN).map(|(host, port)| place(host, *port));
            let shown = shown.collect::<Vec<_>>().join(", ");
            let more = match named.len().saturating_sub(PLACES_SHOWN) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            bail!(
                "--connect-to: expected a place that targets name, which are {shown}{more}, found {}; if redirects lead there, say so by --redirects",
                place(host, *port)
            );
        }
    }
    Ok(())
}

fn place(host: &str, port: u16) -> String {
    if host.contains(':') { format!("`[{host}]:{port}`") } else { format!("`{host}:{port}`") }
}

/// `-1` is all, 0 none; units as vegeta's, of 1,024 each.
fn body_max(text: &str) -> anyhow::Result<Option<usize>> {
    if text == "-1" {
        return Ok(Some(usize::MAX));
    }
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let shift = match text[digits..].to_ascii_uppercase().as_str() {
        "" | "B" => 0,
        "K" | "KB" => 10,
        "M" | "MB" => 20,
        "G" | "GB" => 30,
        _ => 64,
    };
    let bytes = text[..digits].parse::<usize>().ok();
    let bytes = bytes.and_then(|bytes| bytes.checked_mul(1usize.checked_shl(shift)?));
    let bytes = bytes.with_context(|| {
        format!("--max-body: expected a number of bytes such as 512 or 4KB, or -1, found `{text}`")
    })?;
    Ok(Some(bytes).filter(|bytes| *bytes > 0))
}

fn name_server(text: &str) -> anyhow::Result<SocketAddr> {
    let bare = text.parse::<IpAddr>().map(|address| SocketAddr::new(address, DNS_PORT));
    bare.or_else(|_| text.parse()).ok().with_context(|| {
        format!("--resolvers: expected addresses such as 1.1.1.1 or [::1]:5353, found `{text}`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_kept_by_size() {
        for (text, max) in [
            ("-1", Some(usize::MAX)),
            ("0", None),
            ("512", Some(512)),
            ("512B", Some(512)),
            ("4kb", Some(4_096)),
            ("2MB", Some(2 << 20)),
            ("1G", Some(1 << 30)),
        ] {
            assert_eq!(body_max(text).unwrap(), max, "{text}");
        }
        for text in
            ["", "-2", "KB", "1.5KB", "4 KB", "99999999999999999999", "18446744073709551615K"]
        {
            body_max(text).expect_err(text);
        }
    }

    #[test]
    fn name_servers_have_a_port() {
        for (text, server) in [
            ("127.0.0.1", "127.0.0.1:53"),
            ("127.0.0.1:5353", "127.0.0.1:5353"),
            ("::1", "[::1]:53"),
            ("[::1]:5353", "[::1]:5353"),
        ] {
            assert_eq!(name_server(text).unwrap().to_string(), server);
        }
        name_server("dns.example").unwrap_err();
    }
}
