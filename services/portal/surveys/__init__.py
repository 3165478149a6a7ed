"""The pages of surveys: waves and campaigns, codes and invitations, questionnaires, results, gaps, texts and files."""
