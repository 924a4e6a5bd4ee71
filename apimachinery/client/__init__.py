"""The API client: transports, typed calls, informers, remote streams. Stands on objects and aio."""
