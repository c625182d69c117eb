"""The transports that come with fcm360w, registered by entry points in the group `fcm360w.transports`.

They import nothing from fcm360w and raise OSError (with errno) or ImportError; while opening also ValueError, for an
option's bad value.
"""
