//! What stands around a payload in its line: who sent it, to what, and when.

use std::io::Write as _;
use std::net::SocketAddr;

use super::format::{Format, Sender, TEXT_KEY, TimeField};
use crate::json;
use crate::past::write_time;
use crate::printable::escape_label_into;

pub(super) fn write_plain_head(out: &mut Vec<u8>, format: Format, time: TimeField, sender: &Sender<'_>) {
    if time == TimeField::Shown {
        write_time(out, sender.time_ms);
        out.push(b' ');
    }
    match format {
        Format::From => out.extend_from_slice(b"[FROM "),
        Format::FromTopic => {
            out.push(b'[');
            escape_label_into(out, sender.topic);
            out.extend_from_slice(b" | FROM ");
        }
        Format::Tuple => out.extend_from_slice(b"[("),
        Format::TupleTopic => {
            out.push(b'[');
            escape_label_into(out, sender.topic);
            out.extend_from_slice(b"] (");
        }
        Format::Payload | Format::Json => return,
    }
    match format {
        Format::From | Format::FromTopic => {
            write_name(out, sender.name);
            write_addr(out, sender.addr);
            out.extend_from_slice(b"] : ");
        }
        _ => {
            out.push(b'\'');
            write_name(out, sender.name);
            match sender.addr {
                Some(addr) => push(out, format_args!("{}', {})", addr.ip(), addr.port())),
                None => push(out, format_args!("{BROKER}', 0)")),
            }
            out.extend_from_slice(if format == Format::Tuple { b"]: " } else { b": " });
        }
    }
}

/// What stands for the address of the broker itself.
const BROKER: &str = "tidings";

fn write_addr(out: &mut Vec<u8>, addr: Option<SocketAddr>) {
    match addr {
        Some(addr) => push(out, format_args!("{addr}")),
        None => out.extend_from_slice(BROKER.as_bytes()),
    }
}

fn write_name(out: &mut Vec<u8>, name: Option<&str>) {
    if let Some(name) = name {
        escape_label_into(out, name);
        out.push(b'@');
    }
}

pub(super) fn write_json_head(out: &mut Vec<u8>, sender: &Sender<'_>) {
    out.extend_from_slice(b"{\"topic\":\"");
    json::escape_into(out, sender.topic);
    out.extend_from_slice(b"\",");
    out.extend_from_slice(TEXT_KEY);
}

pub(super) fn write_json_tail(out: &mut Vec<u8>, sender: &Sender<'_>) {
    out.extend_from_slice(b"\",\"time\":\"");
    write_time(out, sender.time_ms);
    out.extend_from_slice(b"\",\"publisher\":\"");
    write_addr(out, sender.addr);
    out.push(b'"');
    if let Some(name) = sender.name {
        out.extend_from_slice(b",\"name\":\"");
        json::escape_into(out, name);
        out.push(b'"');
    }
    push(out, format_args!(",\"id\":\"{}-", sender.source));
}

fn push(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a Vec takes every write");
}
