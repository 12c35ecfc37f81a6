"""Calls of sockets of asyncio that wait, and what must hold after one of them was cut."""
