//! The MQTT codec from outside: golden bytes, what is refused, round trips.

mod any_packet;
mod broken;
mod golden;
mod golden_properties;
mod hex;
mod oracle;
mod refused;
mod round_trip;
