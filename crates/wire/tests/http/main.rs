//! HTTP from outside: golden requests, what is refused, bodies in pieces, what is written.

mod golden;
