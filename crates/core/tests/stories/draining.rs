//! A node that shuts down parks nothing.

use aldis_core::Input;
use aldis_protocol::ErrorCode;

use crate::support::*;

#[test]
fn what_is_parked_when_the_node_shuts_down_goes_back_to_its_sender() {
    let mut bench = Bench::new();
    let [alice, bob] = bench.crowd(["alice", "bob"]);
    bench.lose(&bob);
    bench.skip();
    bench.say(&alice, r#"{"type":"message","to":"bob","data":1,"msg":"before"}"#);
    bench.skip();
    bench.input(Input::Draining);
    bench.expect(&[alice.gets(not_delivered(ErrorCode::Unavailable, "bob", Some("before")))]);
    bench.say(&alice, r#"{"type":"message","to":"bob","data":1,"msg":"after"}"#);
    bench.expect(&[alice.gets(not_delivered(ErrorCode::Unavailable, "bob", Some("after")))]);
}
