//! Aldis, the server: transports, authentication, ICE servers and operation around the pure core.
