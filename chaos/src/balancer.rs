//! HAProxy in front of the nodes, set up as a deployment would.

use std::{fmt::Write as _, fs, path::Path};

use crate::{
    ports::free_port,
    process::{Process, Recipe},
};

/// The name of its configuration.
const FILE: &str = "haproxy.cfg";

/// What does not depend on ports. A connection that a node refuses goes to another one at once, and the node gets none until it is ready
/// again. Buffers are small, so that a client that does not read is felt by its node.
const SETTINGS: &str = "\
global
  maxconn 8000
  tune.sndbuf.client 16384
  tune.rcvbuf.server 16384
defaults
  mode http
  timeout connect 2s
  timeout client 30s
  timeout server 30s
  timeout tunnel 1h
  timeout check 5s
  retries 3
  option redispatch 1
  option httpchk
  http-check send meth GET uri /readyz
  http-check expect status 200
  default-server check inter 500ms fall 1 rise 1 observe layer4 error-limit 1 on-error mark-down
";

/// Whoever comes goes to the node with the fewest.
const SPREAD: &str = "  balance leastconn\n";

/// All peers of a room go to one node, and when it dies to another.
const TOGETHER: &str = "  balance url_param room\n  hash-type consistent\n";

/// A load balancer with two doors.
pub(crate) struct Balancer {
    doors: Doors,
    _process: Process,
}

/// The ports of a load balancer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Doors {
    /// For rooms whose peers sit anywhere.
    pub(crate) spread: u16,
    /// For rooms whose peers sit on one node: when it dies, nobody is left who knows the room.
    pub(crate) together: u16,
}

impl Balancer {
    /// Starts one in front of these ports, and waits until it serves.
    pub(crate) async fn start(nodes: &[u16], folder: &Path) -> anyhow::Result<Self> {
        let doors = Doors { spread: free_port(), together: free_port() };
        let mut settings = SETTINGS.to_owned();
        for (name, port, balance) in [("spread", doors.spread, SPREAD), ("together", doors.together, TOGETHER)] {
            writeln!(settings, "frontend {name}\n  bind 127.0.0.1:{port}\n  default_backend {name}-nodes")?;
            writeln!(settings, "backend {name}-nodes\n{balance}")?;
            for (number, node) in nodes.iter().enumerate() {
                writeln!(settings, "  server node-{number} 127.0.0.1:{node}")?;
            }
        }
        fs::write(folder.join(FILE), settings)?;
        let recipe = Recipe {
            program: "haproxy".into(),
            arguments: ["-f", FILE].map(str::to_owned).to_vec(),
            environment: Vec::new(),
            folder: folder.to_owned(),
            log: "haproxy.log".to_owned(),
        };
        let mut process = Process::start(&recipe)?;
        for door in [doors.spread, doors.together] {
            process.serves(door, "/readyz").await?;
        }
        Ok(Self { doors, _process: process })
    }

    /// Where it listens.
    pub(crate) fn doors(&self) -> Doors {
        self.doors
    }
}
