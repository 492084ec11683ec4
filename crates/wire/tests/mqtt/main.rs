//! The MQTT codec from outside: golden bytes, what is refused, round trips.

mod golden;
mod golden_properties;
mod hex;
