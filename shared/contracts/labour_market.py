"""What partners tells of the labour market: demand and supply by profession and region; the region's plan."""
