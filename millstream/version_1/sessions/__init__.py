"""What version 1 trains with around a session: hooks, monitored sessions, managers, queues that threads fill."""
