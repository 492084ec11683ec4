//! HTTP from outside: golden requests, what is refused, bodies in pieces, what is written.

mod accept;
mod authority;
mod body;
mod body_bounds;
mod body_oracle;
mod golden;
mod percent;
mod pieces;
mod refused;
mod response;
