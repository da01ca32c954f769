//! proofgate's HTTP gateway and command line.
