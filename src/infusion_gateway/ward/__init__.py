"""What a station knows of a site's beds and decides to show and sound: pure, `now` comes in, nothing here waits."""
