"""Letters of any registry"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import models.base

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None

OTHERS = sa.text("SELECT COUNT(*) FROM letter WHERE subject_type <> 'cases'")


def upgrade() -> None:
    """A letter says which row of which registry it is about; its kind is a folder of notices/, whichever there are."""
    with op.batch_alter_table('letter') as batch_op:
        batch_op.add_column(sa.Column('subject_type', sa.String(length=40), nullable=True))
        batch_op.add_column(sa.Column('subject_id', sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column('subject_label', sa.String(length=300), nullable=True))
    op.execute(
        "UPDATE letter SET subject_type = 'cases', subject_id = case_id, "
        'subject_label = (SELECT number FROM "case" WHERE "case".id = letter.case_id)'
    )
    with op.batch_alter_table('letter', table_kwargs={'sqlite_autoincrement': True}) as batch_op:
        batch_op.alter_column('subject_type', existing_type=sa.String(length=40), nullable=False)
        batch_op.alter_column('subject_id', existing_type=sa.BigInteger(), nullable=False)
        batch_op.alter_column('subject_label', existing_type=sa.String(length=300), nullable=False)
        batch_op.drop_constraint(op.f('ck_letter_letterkind'), type_='check')
        batch_op.drop_index(op.f('ix_letter_case_id'))
        batch_op.drop_constraint(op.f('fk_letter_case_id'), type_='foreignkey')
        batch_op.drop_column('case_id')
        batch_op.create_index('ix_letter_subject_type_subject_id', ['subject_type', 'subject_id'], unique=False)


def downgrade() -> None:
    """Refused where letters are about anything but cases: the older schema has no place for them."""
    if op.get_bind().execute(OTHERS).scalar():
        raise RuntimeError('there are letters about other registries than cases; the older schema cannot hold them')
    with op.batch_alter_table('letter') as batch_op:
        batch_op.add_column(sa.Column('case_id', models.base.Identity, nullable=True))
    op.execute('UPDATE letter SET case_id = subject_id')
    with op.batch_alter_table('letter', table_kwargs={'sqlite_autoincrement': True}) as batch_op:
        batch_op.alter_column('case_id', existing_type=models.base.Identity, nullable=False)
        batch_op.drop_index('ix_letter_subject_type_subject_id')
        batch_op.drop_column('subject_type')
        batch_op.drop_column('subject_id')
        batch_op.drop_column('subject_label')
        batch_op.create_check_constraint(op.f('ck_letter_letterkind'), sa.text("kind IN ('acceptance', 'refusal')"))
        batch_op.create_foreign_key(op.f('fk_letter_case_id'), 'case', ['case_id'], ['id'])
        batch_op.create_index(op.f('ix_letter_case_id'), ['case_id'], unique=False)
