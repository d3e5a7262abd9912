"""The ledger: all SQL of the project. Schema migrations, the writer that the sink uses, and the read queries.

Layer: above `services.common`, below everything else.
"""
