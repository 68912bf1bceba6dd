"""`python -m infusion_gateway`: the same as the command `infusion-gateway`."""

from infusion_gateway.cli import main

if __name__ == "__main__":
    main()
