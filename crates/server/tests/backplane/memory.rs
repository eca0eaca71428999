//! The bus inside a process.

use aldis_server::backplane::MemoryBus;

use crate::contract::contract;

contract!(MemoryBus);
