import sys

from opensky_assets.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
