"""What `make bench` measures. Each module writes one file in results/, with the machine that it was measured on."""
