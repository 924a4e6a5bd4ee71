"""Pure data and rules of the Kubernetes API: metadata, quantities, selectors, patches, errors. No I/O, no asyncio."""
