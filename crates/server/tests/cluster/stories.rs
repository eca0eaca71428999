//! What holds over every broker.

use aldis_server::backplane::MemoryBus;

use crate::{
    brokers::{Broker, Nats, Redis},
    nodes::nodes,
};

async fn clients_of_different_nodes_meet<B: Broker>() {
    let broker = B::start().await;
    let [north, south] = nodes(&broker).await;
    let mut ann = north.v1("ann").await;
    let mut bob = south.v1("bob").await;
    assert_eq!(bob.welcome["peers"][0]["id"], ann.id);
    assert_eq!(bob.welcome["peers"][0]["polite"], true, "the newcomer yields");
    assert_eq!(ann.expect_about("peer-joined", &bob.id).await["peer"]["polite"], false);
    let (to_ann, to_bob) = (ann.id.clone(), bob.id.clone());
    for number in 0..100 {
        ann.tell_with_receipt(&to_bob, number, &number.to_string()).await;
    }
    for number in 0..100 {
        bob.told(&to_ann, number).await;
        assert_eq!(ann.expect("receipt").await["re"], number.to_string());
    }
    bob.tell(&to_ann, "and back").await;
    ann.told(&to_bob, "and back").await;
}

/// The stories, over one broker.
macro_rules! stories {
    ($module:ident: $broker:ty) => {
        mod $module {
            use super::*;
            stories!($broker: clients_of_different_nodes_meet);
        }
    };
    ($broker:ty: $($story:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                super::$story::<$broker>().await;
            }
        )+
    };
}

stories!(memory: MemoryBus);
stories!(nats: Nats);
stories!(redis: Redis);
