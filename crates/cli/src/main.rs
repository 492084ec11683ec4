//! tidings
fn main(){}
